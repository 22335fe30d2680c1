import { X509Certificate } from 'node:crypto'
import type { Authority } from './authority.ts'
import { extensionValue, readCertificate } from './certificate-reader.ts'
import { DerError } from './der-reader.ts'
import { nameParts, parseName } from './name.ts'
import { extension } from './object-identifier.ts'

/** Who a marble is, as its certificate says. */
export interface CertifiedMarble {
  readonly type: string
  /** Canonical form. */
  readonly uuid: string
}

const roots = new WeakMap<Authority, X509Certificate>()

/**
 * The marble of a certificate that the marble root in force issued, for marbles alone.
 *
 * Generated secrets are issued by the same root, and a manifest may give them the marble type's extension; but their
 * keys are handed out to whoever the manifest says, so only a certificate whose subject is a UUID counts.
 *
 * @param certificate DER
 * @returns undefined for any other certificate, also one of a marble root that was replaced
 */
export function certifiedMarble(authority: Authority, certificate: Uint8Array): CertifiedMarble | undefined {
  const root = roots.get(authority) ?? new X509Certificate(authority.marbleRootCertificate)
  roots.set(authority, root)
  try {
    const parsed = new X509Certificate(certificate)
    if (!parsed.checkIssued(root) || !parsed.verify(root.publicKey)) return undefined
    const { subject, extensions } = readCertificate(certificate)
    const type = extensionValue(extensions, extension.marbleType)
    const { commonName } = nameParts(parseName(subject, 'the subject', 'skip'))
    if (type === undefined || !canonicalUuid.test(commonName)) return undefined
    return { type: Buffer.from(type).toString('utf8'), uuid: commonName }
  } catch (error) {
    // OpenSSL's parser and ours refuse different things; either way it is no certificate of ours.
    if (error instanceof DerError || isOpenSslError(error)) return undefined
    throw error
  }
}

const canonicalUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const isOpenSslError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL')
