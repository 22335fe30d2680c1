import { EvidenceInvalid, evidenceFacts, failureSentence } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { printable } from '@taw/client'
import type { CommandHandler, Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { factLines } from '../evidence/describe.ts'
import { INVALID, UNUSABLE } from '../evidence/exit-codes.ts'
import { type Format, printedFormat } from '../output/format.ts'
import { indentedJson } from '../output/indented-json.ts'
import { kindNames, readEvidence } from '../evidence/read-evidence.ts'

/** What stands in evidence, none of it verified. No network. */
export const evidenceShow: CommandHandler = async ({ args, flags, stdout }) => {
  const [file = ''] = args
  const format = printedFormat(flags, UNUSABLE)
  try {
    return await show(file, format, stdout)
  } catch (error) {
    if (format === 'json' && error instanceof CliError) {
      const { message } = error
      stdout(indentedJson({ verified: false, kind: null, wrappings: [], facts: null, error: { message } }))
    }
    throw error
  }
}

async function show(file: string, format: Format, stdout: Invocation['stdout']): Promise<number> {
  const { evidence, ...failed } = readEvidence(file, undefined)
  if (evidence === undefined) throw unreadable(file, 'error' in failed ? failed.error : undefined)
  const facts = await readable(file, () => evidenceFacts(evidence, nodeCrypto))
  const { kind, wrappings } = evidence
  if (format === 'json') {
    stdout(indentedJson({ verified: false, kind, wrappings, facts }))
    return 0
  }
  const inside = wrappings.length > 0 ? `, in ${wrappings.join(', ')}` : ''
  const lines = [
    `${kindNames[kind]}${inside}`,
    'NOT VERIFIED: anybody can write this. taw evidence verify tells whether it is genuine',
    '',
    ...factLines(facts),
  ]
  stdout(`${lines.map(printable).join('\n')}\n`)
  return 0
}

async function readable<Result>(file: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read()
  } catch (error) {
    throw error instanceof EvidenceInvalid ? unreadable(file, error) : error
  }
}

const unreadable = (file: string, error: EvidenceInvalid | undefined): CliError =>
  new CliError(
    `Showing ${JSON.stringify(file)}: ${printable(error ? failureSentence(error) : 'no evidence')}`,
    {
      exitCode: INVALID,
      ...(error && { cause: error }),
    },
  )
