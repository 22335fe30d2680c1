import type { CertificateTemplate } from '../manifest/model.ts'
import { DerError } from './der-reader.ts'
import { encodeName, parseName, type ExtraAttribute } from './name.ts'
import { readableIdentifier } from './template-identifier.ts'
import type { ReportProblem } from './template-problem.ts'

/** What stands as common name when the template gives none, and not exactly one DNS name. */
const defaultCommonName = 'MarbleRun Generated Certificate'

/** DER of the subject: the raw one if given, else the one made of the members. */
export function templateSubject(
  { subject, rawSubject }: CertificateTemplate,
  dnsNames: readonly string[],
  report: ReportProblem,
): Uint8Array {
  if (rawSubject !== undefined && rawSubject.length > 0) return checkedRawSubject(rawSubject, report)
  const [onlyName, ...furtherNames] = dnsNames
  const fromNames = onlyName === undefined || furtherNames.length > 0 ? defaultCommonName : onlyName
  const commonName = subject.commonName === '' ? fromNames : subject.commonName
  return encodeName({ ...subject, commonName }, extraAttributes(subject.extraNames, report))
}

function checkedRawSubject(rawSubject: Uint8Array, report: ReportProblem): Uint8Array {
  try {
    parseName(rawSubject, 'the raw subject', 'refuse')
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    report(['RawSubject'], `is no name in DER: ${error.message}`)
  }
  return rawSubject
}

function extraAttributes(
  extraNames: CertificateTemplate['subject']['extraNames'],
  report: ReportProblem,
): readonly ExtraAttribute[] {
  return extraNames.flatMap(({ type, value }, index) => {
    const path = ['Subject', 'ExtraNames', index]
    const contents = readableIdentifier(type, [...path, 'Type'], report)
    if (typeof value !== 'string') report([...path, 'Value'], 'must be a text')
    return contents === undefined || typeof value !== 'string' ? [] : { type: contents, value }
  })
}
