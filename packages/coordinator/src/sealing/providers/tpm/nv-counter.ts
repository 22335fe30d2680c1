import { type RollbackAnchor, RollbackAnchorUnavailable } from '../../../ledger/rollback-anchor.ts'
import { isOwnerIndex, ownerRange } from '../../tpm-settings.ts'
import { type Tpm, TpmError, type TpmJob } from './tools.ts'

/** Where the counter is unless configured: in the range for owners, and in nobody's known use. */
export const defaultCounterIndex = 0x0180_7461

/** TPMA_NV (TPM 2.0 Library, part 2): OWNERWRITE (bit 1), type COUNTER (1 in bits 4 to 7), OWNERREAD (17), NO_DA (25). */
const counterAttributes = 0x0202_0012
/** TPMA_NV_WRITTEN. */
const written = 0x2000_0000
const attributeNames = 'ownerwrite|ownerread|no_da|nt=counter'

/** Bytes of a counter (TPM 2.0 Library, part 2, TPM_NT). */
const counterLength = 8

/**
 * The NV counter of a TPM. It only counts up, by one; a counter that is removed and made again starts above the highest
 * value that any counter of that TPM ever had (TPM 2.0 Library, part 3, TPM2_NV_Increment), so that doesn't turn it back either.
 *
 * It is as trustworthy as whoever operates the TPM. Anyone who may use the TPM can advance it, which makes the ledger
 * look old: a denial of service.
 *
 * @throws RangeError when `index` is not in the range for owners
 */
export function tpmCounter(tpm: Tpm, index: number = defaultCounterIndex): RollbackAnchor {
  if (!isOwnerIndex(index)) {
    throw new RangeError(`NV index ${hex(index)} is not in the owner's range, ${ownerRange}`)
  }
  const name = `TPM counter ${hex(index)}`
  const use = <T>(doing: string, action: (job: TpmJob) => Promise<T>): Promise<T> =>
    tpm.use(action).catch((error: unknown) => {
      if (!(error instanceof TpmError)) throw error
      throw new RollbackAnchorUnavailable(`${doing} ${name}: ${error.message}`, { cause: error })
    })
  return {
    name,
    read: () => use('reading', (job) => readCounter(job, index)),
    begin: () => use('beginning', (job) => beginCounter(job, index)),
    advanceTo: (value) => use('advancing', (job) => advance(job, index, value)),
  }
}

async function readCounter(job: TpmJob, index: number): Promise<bigint | undefined> {
  const attributes = await readAttributes(job, index)
  if (attributes === undefined || (attributes & written) === 0) return undefined
  return await readValue(job, index)
}

async function beginCounter(job: TpmJob, index: number): Promise<bigint> {
  const attributes = await readAttributes(job, index)
  if (attributes === undefined) {
    const define = ['--quiet', hex(index), '--hierarchy', 'o', '--attributes', attributeNames]
    await job.run('tpm2_nvdefine', define)
  }
  // The first increment gives it its first value.
  if (attributes === undefined || (attributes & written) === 0) await increment(job, index)
  return await readValue(job, index)
}

async function advance(job: TpmJob, index: number, value: bigint): Promise<void> {
  const current = await readValue(job, index)
  if (current === value) return
  if (current + 1n !== value) {
    throw new TpmError(
      `it stands at ${current}, but this ledger's next value is ${value}: somebody else advanced it`,
    )
  }
  await increment(job, index)
}

async function increment(job: TpmJob, index: number): Promise<void> {
  await job.run('tpm2_nvincrement', ['--quiet', hex(index), '--hierarchy', 'o'])
}

async function readValue(job: TpmJob, index: number): Promise<bigint> {
  const bytes = await job.run('tpm2_nvread', [
    hex(index),
    '--hierarchy',
    'o',
    '--size',
    String(counterLength),
  ])
  if (bytes.length === counterLength) return bytes.readBigUInt64BE()
  throw new TpmError(`the TPM gave ${bytes.length} bytes; a counter has ${counterLength}`)
}

/**
 * Undefined: there is no such index. Anything but a counter is refused: an ordinary index could be written with any
 * value by another system that uses the same TPM.
 */
async function readAttributes(job: TpmJob, index: number): Promise<number | undefined> {
  const known = (await job.run('tpm2_getcap', ['handles-nv-index'])).toString('utf8')
  const handles = Array.from(known.matchAll(/^- (0x[0-9A-Fa-f]{1,8})$/gm), (match) => Number(match[1]))
  if (!handles.includes(index)) return undefined
  const description = (await job.run('tpm2_nvreadpublic', [hex(index)])).toString('utf8')
  const text = /^ {2}attributes:\n(?: {4}friendly: .*\n)? {4}value: (0x[0-9A-Fa-f]{1,8})$/m.exec(
    description,
  )?.[1]
  const attributes = Number(text)
  if (text !== undefined && (attributes & ~written) === counterAttributes) return attributes
  throw new TpmError(
    `the NV index is there, but with attributes ${text ?? 'unknown'}; a counter of Taw has ${hex(counterAttributes)}: ` +
      'remove it if nothing needs it (tpm2_nvundefine), or configure another index',
  )
}

const hex = (value: number): string => `0x${value.toString(16)}`
