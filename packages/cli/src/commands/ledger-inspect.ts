import { printable } from '@taw/client'
import { inspectLedger } from '@taw/coordinator/inspect'
import type { InspectedRecord, Inspection } from '@taw/coordinator/inspect'
import type { CommandHandler, Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { openOutput } from '../output/files.ts'
import { jsonLine } from '../output/json-line.ts'

/** The public records of a seal directory, one JSON object a line, and whether their chain is whole. No key, no network. */
export const ledgerInspect: CommandHandler = async (invocation) => {
  const [directory = ''] = invocation.args
  const where = JSON.stringify(directory)
  const span: Span = { count: 0 }
  const output = openRecords(invocation)
  let inspection: Inspection
  try {
    inspection = inspectLedger(directory, (record) => {
      output.write(toLine(record))
      span.count++
      span.first ??= record
      span.last = record
    })
  } catch (error) {
    if (error instanceof CliError || !(error instanceof Error)) throw error
    throw new CliError(`Inspecting ${where}: ${reasonOf(error)}`, { cause: error })
  } finally {
    output.close()
  }
  for (const line of summarize(inspection, span)) invocation.stderr(line)
  const { problem, entries } = inspection
  if (problem === undefined) return Promise.resolve(0)
  throw new CliError(
    `Inspecting ${where}: after ${span.count} of ${entries} records the ledger is damaged: ${printable(problem)}`,
  )
}

function reasonOf(error: Error): string {
  const isMissing = 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  return isMissing
    ? "there is no ledger.db in it; name a Coordinator's seal directory, or a folder replaced-TIME inside one"
    : printable(error.message)
}

/** The records that were read. */
interface Span {
  count: number
  first?: InspectedRecord
  last?: InspectedRecord
}

const openRecords = ({ flags, stdout }: Invocation): { write(text: string): void; close(): void } => {
  const file = flags.string('output')
  return file === undefined ? { write: stdout, close: () => undefined } : openOutput(file, 'the records')
}

const toLine = ({ sequence, epoch, time, audit, hash }: InspectedRecord): string =>
  jsonLine({ sequence, epoch, time: time.toISOString(), audit, hash })

function summarize({ ledgerId, epoch, entries, headHash, problem }: Inspection, span: Span): string[] {
  const { first, last } = span
  const times =
    first === undefined || last === undefined
      ? ''
      : `, from ${first.time.toISOString()} to ${last.time.toISOString()}`
  const lines = [`Ledger ${ledgerId}, epoch ${epoch}: ${entries} records${times}`]
  if (problem !== undefined) return lines
  return [
    ...lines,
    `The chain is whole up to hash ${headHash}`,
    'That shows that the records fit each other, not who wrote them: compare a hash with one noted earlier',
  ]
}
