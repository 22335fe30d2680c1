import { EvidenceInvalid, failureSentence, findEvidence, readPackagePolicy } from '@taw/attestation'
import { printable } from '@taw/client'
import type { CommandHandler, Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { printedFormat } from '../output/format.ts'
import { indentedJson } from '../output/indented-json.ts'
import { kindNames } from '../evidence/read-evidence.ts'
import { readInput } from '../output/files.ts'
import { findEnclave } from '../package-info/find-enclave.ts'
import type { FoundEnclave } from '../package-info/find-enclave.ts'
import { enclaveEntry, evidenceEntry } from '../package-info/package-entry.ts'

/** What a manifest's `Packages` says of a signed enclave, or of the workload in evidence. No network. */
export const packageInfo: CommandHandler = ({ args, flags, stdout, stderr }) => {
  const [place = ''] = args
  const format = printedFormat(flags, 1)
  const enclave = findEnclave(place)
  if (!enclave) printEvidence(place, { stdout, stderr })
  else if (format === 'text') stdout(enclaveText(enclave))
  else {
    stdout(indentedJson(enclaveEntry(enclave.properties)))
    stderr(`To accept this build alone: ${JSON.stringify({ UniqueID: enclave.properties.uniqueId })}`)
  }
  return Promise.resolve(0)
}

/** As recorded in golden/cli/package-info.json: label, colon, value. */
function enclaveText({ detected, title, properties }: FoundEnclave): string {
  const rows = [
    ['UniqueID (MRENCLAVE)', properties.uniqueId],
    ['SignerID (MRSIGNER)', properties.signerId],
    ['ProductID (ISVPRODID)', String(properties.productId)],
    ['SecurityVersion (ISVSVN)', String(properties.securityVersion)],
  ] as const
  const lines = rows.map(([label, value]) => `${label.padEnd(LABEL_WIDTH)}: ${value}`)
  return `${[...(detected === undefined ? [] : [detected]), title, ...lines].map(printable).join('\n')}\n`
}

const LABEL_WIDTH = 26

function printEvidence(place: string, { stdout, stderr }: Pick<Invocation, 'stdout' | 'stderr'>): void {
  const where = JSON.stringify(place)
  try {
    const evidence = findEvidence(readInput(place, 'the evidence'))
    if (!evidence) {
      throw new CliError(
        `Reading ${where}: it is neither a signed enclave (ELF or .sig) nor evidence of ${Object.values(kindNames).join(', ')}`,
      )
    }
    const entry = evidenceEntry(evidence)
    stdout(indentedJson(entry))
    stderr(
      `From ${kindNames[evidence.kind]}, not verified: before you trust it, run taw evidence verify ${printable(where)}`,
    )
    for (const { path, message } of readPackagePolicy(entry).warnings) {
      stderr(`Warning: ${[...path, ''].join('.')} ${message}`)
    }
  } catch (error) {
    if (!(error instanceof EvidenceInvalid)) throw error
    throw new CliError(`Reading ${where}: ${printable(failureSentence(error))}`, { cause: error })
  }
}
