import { DerError, DerReader, readOnly } from './der-reader.ts'
import { constructedContextTag, contextTag, tag } from './der.ts'
import { dottedIdentifier } from './object-identifier.ts'
import { latin1 } from './strings.ts'
import { decodeTime, type Validity } from './time.ts'

export interface CertificateExtension {
  readonly dotted: string
  readonly isCritical: boolean
  /** What is inside the OCTET STRING. */
  readonly value: Uint8Array
}

/** A certificate taken apart; nothing about it is verified. All octets are views of the input. */
export interface CertificateFields {
  /** DER of the AlgorithmIdentifier with which it was signed. */
  readonly signatureAlgorithm: Uint8Array
  /** DER of the Name. */
  readonly issuer: Uint8Array
  readonly validity: Validity
  /** DER of the Name. */
  readonly subject: Uint8Array
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array
  readonly extensions: readonly CertificateExtension[]
}

/**
 * Takes a certificate apart (RFC 5280, 4.1). Nothing may follow it, and no extension may stand in it twice.
 *
 * @throws DerError
 */
export function readCertificate(der: Uint8Array): CertificateFields {
  const certificate = new DerReader(readOnly(der, tag.sequence, 'the certificate').contents)
  const fields = certificate.enterSequence('tbsCertificate')
  const outerAlgorithm = certificate.read(tag.sequence, 'signatureAlgorithm').encoding
  certificate.readWholeBitString('the signature')
  certificate.end('the signature')

  const version = readVersion(fields)
  const serial = fields.readInteger('serialNumber')
  if ((serial[0] ?? 0) >= 0x80) throw new DerError('serialNumber is negative')
  const signatureAlgorithm = fields.read(tag.sequence, 'signature').encoding
  if (Buffer.compare(signatureAlgorithm, outerAlgorithm) !== 0)
    throw new DerError('there are two signature algorithms')
  const issuer = fields.read(tag.sequence, 'issuer').encoding
  const validity = readValidity(fields.enterSequence('validity'))
  const subject = fields.read(tag.sequence, 'subject').encoding
  const publicKey = fields.read(tag.sequence, 'subjectPublicKeyInfo').encoding
  fields.readOptional(contextTag(1), 'issuerUniqueID')
  fields.readOptional(contextTag(2), 'subjectUniqueID')
  const extensions = fields.readOptional(constructedContextTag(3), 'extensions')
  fields.end('tbsCertificate')
  if (extensions !== undefined && version !== 3)
    throw new DerError(`a certificate of version ${version} has extensions`)
  return {
    signatureAlgorithm,
    issuer,
    validity,
    subject,
    publicKey,
    extensions: extensions === undefined ? [] : readExtensions(extensions.contents, 'the certificate'),
  }
}

function readVersion(fields: DerReader): number {
  const explicit = fields.readOptional(constructedContextTag(0), 'version')
  if (explicit === undefined) return 1
  const version = 1 + new DerReader(explicit.contents).readSmallInteger('version')
  if (version > 3) throw new DerError(`the certificate has version ${version} instead of 1 to 3`)
  return version
}

function readValidity(fields: DerReader): Validity {
  const read = (what: string): number => {
    const { identifier, contents } = fields.readAny(what)
    const seconds =
      identifier === tag.utcTime || identifier === tag.generalizedTime
        ? decodeTime(identifier, latin1(contents))
        : undefined
    if (seconds === undefined) throw new DerError(`${what} is no time`)
    return seconds
  }
  return { notBefore: read('notBefore'), notAfter: read('notAfter') }
}

/**
 * Reads Extensions, a SEQUENCE of them.
 *
 * @throws DerError, also when one stands there twice.
 */
export function readExtensions(der: Uint8Array, what: string): readonly CertificateExtension[] {
  const reader = new DerReader(der).enterSequence(`the extensions of ${what}`)
  const extensions: CertificateExtension[] = []
  const seen = new Set<string>()
  while (!reader.isAtEnd) {
    const fields = reader.enterSequence(`an extension of ${what}`)
    const dotted = dottedIdentifier(fields.readObjectIdentifier(`an extension of ${what}`))
    const isCritical = fields.nextIdentifier === tag.boolean && fields.readBoolean(`"critical" of ${dotted}`)
    const value = fields.read(tag.octetString, `the value of ${dotted}`).contents
    if (seen.has(dotted)) throw new DerError(`${what} has the extension ${dotted} twice`)
    seen.add(dotted)
    extensions.push({ dotted, isCritical, value })
  }
  return extensions
}

export const extensionValue = (
  extensions: readonly CertificateExtension[],
  { dotted }: { readonly dotted: string },
): Uint8Array | undefined => extensions.find((extension) => extension.dotted === dotted)?.value
