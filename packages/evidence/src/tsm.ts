import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { within } from './deadline.ts'
import { EvidenceUnavailable, reasonOf, systemCodeOf } from './errors.ts'
import { padReportData } from './provider.ts'
import type { Evidence, EvidenceProvider } from './provider.ts'
import { carries } from './report-data.ts'
import { requestFiles } from './tsm-files.ts'
import type { RequestFiles } from './tsm-files.ts'

/** Linux' Documentation/ABI/testing/configfs-tsm: each folder made here is one request for a report. */
export const TSM_ROOT = '/sys/kernel/config/tsm/report'

/** What the attribute `provider` says. */
const KINDS: ReadonlyMap<string, Evidence['kind']> = new Map([
  ['tdx_guest', 'tdx-quote'],
  ['sev_guest', 'snp-report'],
])

/** The host's quoting service answers within a second; the kernel itself gives up after 30 s. */
const TIMEOUT_MS = 60_000
/** For stand-ins of the kernel; see {@link requestFiles}. */
const ATTRIBUTE_WAIT_MS = 2000

/** A quote for somebody else is being made; a signal came; a writer came between. */
const TRANSIENT: readonly (string | undefined)[] = ['EBUSY', 'EINTR', 'EAGAIN']
const ATTEMPTS = 8
const FIRST_DELAY_MS = 10

export interface TsmOptions {
  /** Default {@link TSM_ROOT}. */
  readonly root?: string
  /** SEV-SNP: the privilege level (VMPL) that the report is for, 0 to 3. Without it the kernel's default. */
  readonly privlevel?: number
  /** How long one report may take, with all attempts; default 60 s. */
  readonly timeoutMs?: number
  /** How long to wait for attributes that are missing at first, which never happens on configfs; default 2 s. */
  readonly attributeWaitMs?: number
}

/**
 * Reports of Linux confidential VMs (TDX, SEV-SNP) through configfs-tsm.
 *
 * @param files for tests
 * @throws EvidenceUnavailable `tee_unusable` when the kernel has no provider, or one that isn't known here
 */
export async function openTsm(options: TsmOptions = {}, files?: RequestFiles): Promise<EvidenceProvider> {
  const { root = TSM_ROOT, privlevel, timeoutMs = TIMEOUT_MS, attributeWaitMs = ATTRIBUTE_WAIT_MS } = options
  const requests = files ?? requestFiles(attributeWaitMs)
  const guarded = async <T>(what: string, work: Promise<T>): Promise<T> => {
    try {
      return await within(timeoutMs, what, work)
    } catch (error) {
      const message = `${what} in "${root}": ${reasonOf(error)}; ${remedyFor(error)}`
      throw new EvidenceUnavailable('tee_unusable', message, { cause: error })
    }
  }

  const kind = await guarded(
    'asking the kernel which TEE this is',
    withRequest(requests, root, (read) => kindOf(read)),
  )
  if (privlevel !== undefined && kind !== 'snp-report') {
    throw new EvidenceUnavailable(
      'tee_unusable',
      `privlevel ${privlevel} is for SEV-SNP; this is a TDX guest`,
    )
  }
  return {
    name: 'tsm',
    kind,
    quote: (reportData) => {
      const padded = padReportData(reportData)
      return guarded(
        'getting a report from the kernel',
        withRequest(requests, root, async (read, folder) => {
          const writes: (readonly [string, Uint8Array])[] = [['inblob', padded]]
          if (privlevel !== undefined) writes.unshift(['privlevel', Buffer.from(String(privlevel))])
          return readReport(requests, folder, read, writes, padded)
        }),
      )
    },
  }
}

type ReadAttribute = (name: string) => Promise<Uint8Array>

/** A conflict that goes away when everything is done again. */
class Conflict extends Error {}

/** Makes a request, uses it, and removes it whatever happens; anew while what goes wrong is transient. */
async function withRequest<T>(
  requests: RequestFiles,
  root: string,
  use: (read: ReadAttribute, folder: string) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const folder = path.join(root, `taw-${randomBytes(8).toString('hex')}`)
    try {
      await requests.make(folder)
      let result: T
      try {
        result = await use((name) => requests.read(path.join(folder, name)), folder)
      } catch (error) {
        // The first error says more than one about a folder that stays behind.
        await requests.remove(folder).catch(() => undefined)
        throw error
      }
      await requests.remove(folder)
      return result
    } catch (error) {
      const isTransient = error instanceof Conflict || TRANSIENT.includes(systemCodeOf(error))
      if (!isTransient || attempt === ATTEMPTS) throw error
      await delay(FIRST_DELAY_MS * 2 ** (attempt - 1))
    }
  }
}

async function kindOf(read: ReadAttribute): Promise<Evidence['kind']> {
  const provider = textOf(await read('provider'))
  const kind = KINDS.get(provider)
  if (kind !== undefined) return kind
  throw new Error(`the kernel's provider is "${provider}"; known here are ${[...KINDS.keys()].join(' and ')}`)
}

async function readReport(
  requests: RequestFiles,
  folder: string,
  read: ReadAttribute,
  writes: readonly (readonly [string, Uint8Array])[],
  reportData: Uint8Array,
): Promise<Evidence> {
  const before = generation(await read('generation'))
  for (const [name, bytes] of writes) await requests.write(path.join(folder, name), bytes)
  const report = await read('outblob')
  const kind = await kindOf(read)
  const table = kind === 'snp-report' ? await optional(read('auxblob')) : new Uint8Array()
  // Each write raises `generation` by one: more than ours means that the report may be over other data.
  const risen = generation(await read('generation')) - before
  if (risen !== BigInt(writes.length)) {
    throw new Conflict(
      `another process wrote to the request: its generation rose by ${risen}, not by ${writes.length}`,
    )
  }
  if (report.length === 0) throw new Error('the report is empty')
  const evidence: Evidence = {
    kind,
    evidence: report,
    ...(table.length > 0 ? { auxblob: table } : {}),
  }
  if (!carries(evidence, reportData)) {
    throw new Error('the report is not over the report data that was asked for')
  }
  return evidence
}

function generation(bytes: Uint8Array): bigint {
  const text = textOf(bytes)
  if (/^\d{1,20}$/.test(text)) return BigInt(text)
  throw new Error(`the attribute "generation" is no number: "${text.slice(0, 20)}"`)
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1').trim()

/** `auxblob` exists only where a provider has one, and reading it without data fails. */
async function optional(reading: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await reading
  } catch (error) {
    if (['ENOENT', 'ENXIO', 'ENODATA'].includes(systemCodeOf(error) ?? '')) return new Uint8Array()
    throw error
  }
}

const NO_DRIVER =
  'no driver answers: this is no TDX or SEV-SNP guest, or the module tdx_guest or sev-guest is not loaded'
const NO_RIGHT = 'run as root, or let this user write there'

/** What to do, by the system's name of the error. */
const REMEDIES: ReadonlyMap<string | undefined, string> = new Map([
  ['ENXIO', NO_DRIVER],
  ['ENOTTY', NO_DRIVER],
  ['EACCES', NO_RIGHT],
  ['EPERM', NO_RIGHT],
  ['EROFS', 'mount configfs for writing'],
  [
    'ENOENT',
    'mount configfs at /sys/kernel/config, with a kernel 6.7 or newer and its module tsm_report (formerly tsm)',
  ],
  ['EINVAL', 'the kernel refuses the request; a privlevel must be at least what privlevel_floor says'],
])

const remedyFor = (error: unknown): string =>
  REMEDIES.get(systemCodeOf(error)) ?? "look at the kernel's log; the host must serve quotes to this guest"
