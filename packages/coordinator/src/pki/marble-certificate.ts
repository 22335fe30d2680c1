import type { Issuer } from './authority.ts'
import type { CertificateRequest } from './certificate-request.ts'
import { issueCertificate } from './certificate.ts'
import {
  basicConstraints,
  hasNames,
  keyUsage,
  keyUsageBit,
  marbleType,
  serverAndClientAuth,
  subjectAltName,
} from './extensions.ts'
import type { MarbleUuid } from './marble-uuid.ts'
import { encodeName } from './name.ts'
import { unlimitedValidity } from './time.ts'

/** What every marble certificate begins with. */
const commonExtensions: readonly Uint8Array[] = [
  keyUsage(keyUsageBit.digitalSignature | keyUsageBit.keyAgreement),
  serverAndClientAuth,
  basicConstraints(false),
]

export interface MarbleIdentity {
  /** As in the manifest. */
  readonly marbleType: string
  readonly uuid: MarbleUuid
  /** SubjectPublicKeyInfo DER of the key that the Coordinator made for the marble. */
  readonly publicKey: Uint8Array
}

/**
 * Issues the certificate of one activation.
 *
 * Subject: the request's, with the UUID as common name and without its organization (the marble root has none).
 *
 * @returns DER
 */
export async function issueMarbleCertificate(
  issuer: Issuer,
  request: Pick<CertificateRequest, 'subject' | 'dnsNames' | 'ipAddresses'>,
  identity: MarbleIdentity,
  now: Date,
): Promise<Uint8Array> {
  const names = { dnsNames: request.dnsNames, emailAddresses: [], ipAddresses: request.ipAddresses, uris: [] }
  return await issueCertificate(issuer, {
    subject: encodeName({ ...request.subject, commonName: identity.uuid, organization: [] }),
    validity: unlimitedValidity(now),
    publicKey: identity.publicKey,
    extensions: [
      ...commonExtensions,
      issuer.authorityKeyIdentifier,
      ...(hasNames(names) ? [subjectAltName(names, false)] : []),
      marbleType(identity.marbleType),
    ],
  })
}
