import { DerError } from '../../pki/der-reader.ts'
import { templateFromCertificate } from '../../pki/template-from-certificate.ts'
import { checkSecret as checkGenerated } from '../../secrets/generate.ts'
import { sizeLimits, sizeProblem } from '../../secrets/size.ts'
import type { CertificateSource } from '../certificate-shape.ts'
import { certificateTemplate } from '../certificate-template.ts'
import type { CertificateTemplate, SecretDefinition, SecretType } from '../model.ts'
import { quoteName, type Path } from '../path.ts'
import type { Report } from '../report.ts'
import type { SecretSource } from '../schema.ts'
import { entriesOf, listNames, mapEntries, type TopicContext } from './topic.ts'

const secretTypes: readonly SecretType[] = [
  'symmetric-key',
  'cert-rsa',
  'cert-ecdsa',
  'cert-ed25519',
  'plain',
]

/** NIST SP 800-131A revision 2: RSA below this is no longer allowed for signatures. */
const recommendedRsaBits = 2048

/**
 * Decodes `Secrets`.
 * @param now when generated certificates begin; undefined: whether values can be made is not looked at
 */
export function secretsOf(
  { source, report }: TopicContext,
  now: Date | undefined,
): ReadonlyMap<string, SecretDefinition> {
  return mapEntries(entriesOf('Secrets', source.Secrets, 'secrets', report), (entry, name) => {
    const path = ['Secrets', name]
    const given = entry.Type ?? ''
    const type = secretTypes.find((known) => known === given)
    if (type === undefined) {
      const found = given === '' ? 'missing' : quoteName(given)
      report.error(
        [...path, 'Type'],
        `must be one of ${listNames(secretTypes)} (exactly so), but is ${found}`,
      )
    }
    const definition: SecretDefinition = {
      type: type ?? 'plain',
      size: Number(entry.Size ?? 0n),
      shared: entry.Shared ?? false,
      userDefined: entry.UserDefined ?? false,
      validFor: Number(entry.ValidFor ?? 0n),
      certificate: templateOf(entry.Cert, path, report),
    }
    if (type !== undefined && !report.isDoubtful(path)) {
      checkDefinition(definition, path, now, report)
      warnOfNoEffect(definition, entry, path, report)
    }
    return definition
  })
}

function templateOf(
  source: CertificateSource | undefined,
  path: Path,
  report: Report,
): CertificateTemplate | undefined {
  if (!(source instanceof Uint8Array)) return source === undefined ? undefined : certificateTemplate(source)
  if (report.isDoubtful([...path, 'Cert'])) return undefined
  try {
    return templateFromCertificate(source)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    const message = `a string here must be a certificate as base64 of its DER, but is none: ${error.message}`
    report.undecodable([...path, 'Cert'], message)
    return undefined
  }
}

function checkDefinition(
  definition: SecretDefinition,
  path: Path,
  now: Date | undefined,
  report: Report,
): void {
  const { type, size, userDefined, validFor, certificate } = definition
  if (type.startsWith('cert-') && validFor !== 0 && certificate?.notAfter !== undefined) {
    const message = 'says when the certificate ends, and so does "Cert.NotAfter": leave one of them out'
    report.error([...path, 'ValidFor'], message)
  }
  if (type === 'plain' && !userDefined) {
    report.error([...path, 'UserDefined'], 'must be true: a secret of type "plain" can not be generated')
    return
  }
  if (userDefined) checkUploadSize(definition, path, report)
  else if (now !== undefined) {
    for (const problem of checkGenerated(definition, now)) {
      report.error([...path, ...problem.path.map(pathStep)], problem.message)
    }
  }
  if (type === 'cert-rsa' && size >= sizeLimits.smallestRsaBits && size < recommendedRsaBits) {
    report.warn([...path, 'Size'], `RSA keys of ${size} bits are weak: use at least ${recommendedRsaBits}`)
  }
}

/** No member of a certificate template has a name of digits. */
const pathStep = (step: string): string | number => (/^\d+$/.test(step) ? Number(step) : step)

/**
 * A size that the type can't have refuses every upload of a key (spec/quirks.md), and fits no certificate. The user is
 * told when the manifest is set, but it is set all the same: manifests with such secrets, which nobody ever uploads, are
 * in use. Certificates may come without a size. Of the limits to sizes, those to what the Coordinator itself makes don't
 * hold here.
 */
function checkUploadSize({ type, size }: SecretDefinition, path: Path, report: Report): void {
  if (size === 0 && type !== 'symmetric-key') return
  const counted = type === 'cert-rsa' ? Math.min(size, sizeLimits.largestRsaBits) : size
  const problem = sizeProblem({ type, size: counted, shared: true })
  if (problem !== undefined) report.warn([...path, 'Size'], `${problem}; no upload will ever fit`)
}

function warnOfNoEffect(
  { type, userDefined }: SecretDefinition,
  entry: SecretSource,
  path: Path,
  report: Report,
): void {
  const isCertificate = type.startsWith('cert-')
  if (isCertificate && !userDefined) return
  const why = isCertificate ? 'a certificate that users upload' : `a secret of type "${type}"`
  for (const member of ['Cert', 'ValidFor'] as const) {
    if (entry[member] !== undefined && entry[member] !== 0n) {
      report.warn([...path, member], `has no effect on ${why}`)
    }
  }
  if (type === 'plain' && (entry.Size ?? 0n) !== 0n) report.warn([...path, 'Size'], `has no effect on ${why}`)
}
