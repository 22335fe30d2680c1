import { createHash, X509Certificate } from 'node:crypto'
import type { RoleDefinition, UserDefinition } from '../model.ts'
import { quoteName, type Path } from '../path.ts'
import { firstPemBlock } from '../pem.ts'
import type { Report } from '../report.ts'
import { entriesOf, mapEntries, type TopicContext } from './topic.ts'

/** Decodes `Users`: each is known by one certificate, which stands for no other user. */
export function usersOf(
  { source, report }: TopicContext,
  roles: ReadonlyMap<string, RoleDefinition>,
): ReadonlyMap<string, UserDefinition> {
  const owners = new Map<string, string>()
  return mapEntries(entriesOf('Users', source.Users, 'users', report), (entry, name) => {
    for (const [index, role] of (entry.Roles ?? []).entries()) {
      if (roles.has(role) || !report.isComplete('Roles')) continue
      const hint = report.didYouMean(role, roles)
      report.error(['Users', name, 'Roles', index], `no such role ${quoteName(role)} in "Roles"${hint}`)
    }
    const path = ['Users', name, 'Certificate']
    const certificate = readCertificate(entry.Certificate ?? '', path, report)
    if (certificate.length > 0) {
      // By DER: the same certificate may be written in different PEM text (spec/quirks.md).
      const fingerprint = createHash('sha256').update(certificate).digest('hex')
      const owner = owners.get(fingerprint)
      if (owner !== undefined) {
        report.error(path, `is the certificate of user ${quoteName(owner)} too, but must tell who is who`)
      }
      owners.set(fingerprint, name)
    }
    return { certificate, roles: entry.Roles ?? [] }
  })
}

/** The DER of the first certificate in a PEM text; empty, with a report, when there is none. */
function readCertificate(pem: string, path: Path, report: Report): Uint8Array {
  const none = new Uint8Array()
  if (pem === '') {
    report.error(path, 'a user needs a certificate in PEM, but has none')
    return none
  }
  const block = firstPemBlock(pem)
  if (block === undefined) {
    report.error(path, 'must be a certificate in PEM ("-----BEGIN CERTIFICATE-----"), but has no PEM block')
    return none
  }
  const isLabelled = block.label === 'CERTIFICATE'
  if (!isCertificate(block.content)) {
    const problem = isLabelled
      ? 'what the PEM block holds can not be read as one'
      : `is a PEM block of the kind ${quoteName(block.label)}`
    report.error(path, `must be a certificate, but ${problem}`)
    return none
  }
  // Go looks at what a block holds; older tools call it "X509 CERTIFICATE".
  if (!isLabelled) {
    report.warn(
      path,
      `is a certificate in a PEM block of the kind ${quoteName(block.label)}; call it "CERTIFICATE"`,
    )
  }
  return block.content
}

function isCertificate(der: Uint8Array): boolean {
  try {
    // OpenSSL reads past what follows a certificate, and takes PEM here too; a TLS peer shows exactly its DER.
    return Buffer.compare(new X509Certificate(der).raw, der) === 0
  } catch {
    return false
  }
}
