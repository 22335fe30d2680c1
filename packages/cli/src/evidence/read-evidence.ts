import { EvidenceInvalid, bareEvidence, findEvidence, guessKind } from '@taw/attestation'
import type { EvidenceKind, FoundEvidence } from '@taw/attestation'
import { readInput } from '../output/files.ts'
import { UNUSABLE } from './exit-codes.ts'

/** The kinds, and what people call them. */
export const kindNames: Readonly<Record<EvidenceKind, string>> = {
  'sgx-quote': 'SGX quote',
  'tdx-quote': 'TDX quote',
  'snp-report': 'SEV-SNP report',
  'nitro-document': 'Nitro attestation document',
  'azure-vtpm': 'Azure vTPM evidence',
  'cca-token': 'Arm CCA token',
}

export const kinds = (): readonly string[] => Object.keys(kindNames)

export const isKind = (text: string): text is EvidenceKind => Object.hasOwn(kindNames, text)

/** What is in a file: evidence, or why it is none (`kind` is the best guess then). */
export type EvidenceFile =
  | { readonly evidence: FoundEvidence }
  | { readonly evidence: undefined; readonly kind: EvidenceKind | undefined; readonly error: EvidenceInvalid }

/**
 * Reads evidence of any kind from a file, or from standard input when its name is `-`.
 * @param expected the kind that it has to be, if the user said so; what can't be recognized is then taken for that
 * @throws CliError (exit code 2) when the file can't be read
 */
export function readEvidence(file: string, expected: EvidenceKind | undefined): EvidenceFile {
  const bytes = readBytes(file)
  const found = tryFind(bytes)
  if (found instanceof EvidenceInvalid)
    return { evidence: undefined, kind: expected ?? guessKind(bytes), error: found }
  const kind = found?.kind ?? expected ?? guessKind(bytes)
  if (kind === undefined) return { evidence: undefined, kind, error: unknown(bytes, file) }
  if (expected !== undefined && kind !== expected) {
    return { evidence: undefined, kind: expected, error: otherKind(expected, kind, file) }
  }
  return { evidence: found ?? bareEvidence(kind, bytes) }
}

function readBytes(file: string): Uint8Array {
  return readInput(file === '-' ? STANDARD_INPUT : file, 'the evidence', UNUSABLE)
}

const STANDARD_INPUT = 0

function tryFind(bytes: Uint8Array): FoundEvidence | undefined | EvidenceInvalid {
  try {
    return findEvidence(bytes)
  } catch (error) {
    if (error instanceof EvidenceInvalid) return error
    throw error
  }
}

const CHECK = 'evidence-format'

/** Header of Azure's HCL report: `HCLA`. */
const HCL_MAGIC = Buffer.from('HCLA')

function unknown(bytes: Uint8Array, file: string): EvidenceInvalid {
  const isHcl = HCL_MAGIC.equals(bytes.subarray(0, HCL_MAGIC.length))
  return new EvidenceInvalid(CHECK, {
    message: `looking for evidence in ${JSON.stringify(file)}: nothing that is known`,
    expected: Object.values(kindNames).join(', '),
    found: isHcl
      ? 'an HCL report of an Azure VM, without the quote of its vTPM'
      : `${bytes.length} bytes of something else`,
    remedy: isHcl
      ? 'give the JSON with hcl_report and tpm_quote'
      : 'give the evidence as the TEE made it, or that as hex, base64 or in JSON; when it is damaged, --kind says what it should be',
  })
}

function otherKind(expected: EvidenceKind, kind: EvidenceKind, file: string): EvidenceInvalid {
  return new EvidenceInvalid('evidence-kind', {
    message: `reading ${JSON.stringify(file)}: it is evidence of another kind`,
    expected: kindNames[expected],
    found: kindNames[kind],
    remedy: `give the ${kindNames[expected]}, or leave --kind away`,
  })
}
