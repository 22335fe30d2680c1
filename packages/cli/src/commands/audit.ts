import { AuditChain, parseAddress, printable } from '@taw/client'
import type { AuditEntry } from '@taw/client'
import type { CommandHandler, Invocation } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'
import { CliError } from '../errors.ts'
import { openOutput } from '../output/files.ts'
import { type Format, readFormat } from '../output/format.ts'
import { jsonLine } from '../output/json-line.ts'

/** Entries asked for at once; the Coordinator gives at most 1,000. */
const pageSize = 500

/** The audit log, verified before it is printed: a record that doesn't fit ends the command with exit code 1. */
export const audit: CommandHandler = async (invocation) => {
  const [host = ''] = invocation.args
  const request = readRequest(invocation)
  const client = connectPinned(invocation, parseAddress(host))
  const chain = new AuditChain()
  for (const { sequence, hash } of request.known) chain.expect(sequence, hash)
  const output = openRecords(invocation)
  const present = request.format === 'text' ? textLine : recordLine
  let headSequence: number
  let next = Math.min(request.from, ...request.known.map(({ sequence }) => sequence + 1))
  const first = next
  const needed = Math.max(request.end, ...request.known.map(({ sequence }) => sequence))
  try {
    do {
      const page = await client.auditPage(next, Math.min(pageSize, needed + 1 - next))
      chain.append(page, next)
      for (const entry of page.entries) {
        if (entry.sequence >= request.from && entry.sequence <= request.end) output.write(present(entry))
      }
      headSequence = page.head.sequence
      const last = page.entries.at(-1)
      if (last === undefined) break
      next = last.sequence + 1
    } while (next <= Math.min(needed, headSequence))
  } finally {
    output.close()
  }
  summarize(invocation, request, { chain, first, headSequence })
  return 0
}

interface Known {
  readonly sequence: number
  readonly hash: Uint8Array
}

interface AuditRequest {
  readonly from: number
  /** The last entry that is wanted. */
  readonly end: number
  readonly format: Format
  readonly known: readonly Known[]
}

function readRequest({ flags }: Invocation): AuditRequest {
  const from = wholeNumber('--from', flags.string('from') ?? '1')
  const limit = flags.string('limit')
  const format = readFormat('--format', flags.string('format') ?? 'json')
  const end = limit === undefined ? Number.MAX_SAFE_INTEGER - 1 : from + wholeNumber('--limit', limit) - 1
  return { from, end, format, known: (flags.strings('known') ?? []).map(parseKnown) }
}

function wholeNumber(what: string, text: string): number {
  // Twelve digits: sums of two such numbers are exact.
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text)
  throw new CliError(`${what} is ${JSON.stringify(text)}; it must be a whole number from 1`)
}

function parseKnown(text: string): Known {
  const [, sequence = '', hash = ''] = /^(\d+):([0-9a-fA-F]{64})$/.exec(text) ?? []
  if (hash === '') {
    throw new CliError(
      `--known is ${JSON.stringify(text)}; it must be SEQUENCE:HASH, the hash with 64 hex digits, as the record shows them`,
    )
  }
  return { sequence: wholeNumber('the sequence number of --known', sequence), hash: Buffer.from(hash, 'hex') }
}

const openRecords = ({ flags, stdout }: Invocation): { write(text: string): void; close(): void } => {
  const file = flags.string('output')
  return file === undefined ? { write: stdout, close: () => undefined } : openOutput(file, 'the audit log')
}

/** What the record's own text says, for it is what was verified. */
function readRecord({ sequence, record }: AuditEntry): { time: unknown; audit: unknown } {
  let said: unknown
  try {
    said = JSON.parse(record)
  } catch {
    throw new CliError(`Reading the audit log: the record of entry ${sequence} is not JSON`)
  }
  return { time: null, audit: null, ...(typeof said === 'object' && said) }
}

/** As `taw ledger inspect` prints it. */
function recordLine(entry: AuditEntry): string {
  const { sequence, epoch, hash } = entry
  const { time, audit } = readRecord(entry)
  return jsonLine({ sequence, epoch, time, audit, hash: Buffer.from(hash).toString('hex') })
}

/** `SEQUENCE TIME ACTOR ACTION member=value …`, for people; the form may change. */
function textLine(entry: AuditEntry): string {
  const { time, audit } = readRecord(entry)
  const { action, actor, ...rest } = { action: null, actor: null, ...(typeof audit === 'object' && audit) }
  const members = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  const words = [String(entry.sequence), String(time), describeActor(actor), String(action), ...members]
  return `${printable(words.join(' ')).replaceAll('\n', '\ufffd')}\n`
}

/** `user "alice" (certificate 3fa2…)`; members of actors that this version doesn't know are shown as they are. */
function describeActor(actor: unknown): string {
  const { kind, ...rest } = { kind: 'unknown', ...(typeof actor === 'object' && actor) }
  const shown = Object.entries(rest)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => (name === 'name' ? JSON.stringify(value) : `${name}=${JSON.stringify(value)}`))
  return [kind, ...shown].join(' ')
}

interface Verified {
  readonly chain: AuditChain
  readonly first: number
  readonly headSequence: number
}

function summarize(
  { stderr }: Invocation,
  { from, known }: AuditRequest,
  { chain, first, headSequence }: Verified,
): void {
  const [missing] = chain.outstanding
  if (missing !== undefined) {
    throw new CliError(
      `Verifying the audit log: the ledger ends with record ${headSequence}, but record ${missing} was known: ` +
        'an older state was put back, or this is another deployment',
    )
  }
  for (const { sequence } of known) stderr(`Record ${sequence} has the hash that was known`)
  const { point } = chain
  if (from > headSequence)
    stderr(`There is no record ${from} yet: the ledger ends with record ${headSequence}`)
  if (point === undefined || point.sequence < first) return
  stderr(`The chain is whole from record ${first} to ${point.sequence} of ${headSequence}`)
  const hash = Buffer.from(point.hash).toString('hex')
  stderr(`To check later that none of this was rewritten: --known ${point.sequence}:${hash}`)
}
