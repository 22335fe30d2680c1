import { bytesEqual } from './bytes.ts'
import type { SignatureScheme } from './crypto.ts'
import {
  DER_TAG,
  DerReader,
  bitStringOctets,
  booleanValue,
  contextTag,
  oidText,
  readSingle,
  smallInteger,
  timeValue,
  unsignedInteger,
} from './der.ts'
import type { DerElement } from './der.ts'
import { decodePem, toHex } from './encoding.ts'
import { malformed } from './errors.ts'
import { OID } from './oids.ts'
import { portSignature, signatureScheme } from './signature-algorithm.ts'

export interface Extension {
  readonly critical: boolean
  /** The contents of extnValue's OCTET STRING: the extension's own DER. */
  readonly value: Uint8Array
}

/** Bits of KeyUsage (RFC 5280, 4.2.1.3) that chains are checked for. */
export interface KeyUsage {
  readonly digitalSignature: boolean
  readonly keyCertSign: boolean
  readonly cRLSign: boolean
}

/** An X.509 certificate (RFC 5280, 4.1) that was read, not verified. Byte fields are views into `raw`. */
export interface Certificate {
  /** The whole certificate, DER. */
  readonly raw: Uint8Array
  /** TBSCertificate, DER: the bytes that the signature is over. */
  readonly tbs: Uint8Array
  /** Serial number, lower-case hex without leading zero octets (`00` for zero). */
  readonly serial: string
  /** Name, DER. */
  readonly issuer: Uint8Array
  /** Name, DER. */
  readonly subject: Uint8Array
  /** The last commonName; undefined when there is none. */
  readonly subjectCommonName: string | undefined
  readonly issuerCommonName: string | undefined
  readonly notBefore: Date
  readonly notAfter: Date
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** By dotted OID. */
  readonly extensions: ReadonlyMap<string, Extension>
  /** undefined: the extension is absent. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined
  /** undefined: the extension is absent. */
  readonly keyUsage: KeyUsage | undefined
  /** undefined: an algorithm that no TEE's certificates use. */
  readonly scheme: SignatureScheme | undefined
  /** In the form of the crypto port (ECDSA: r‖s); as it stands when the scheme is unknown. */
  readonly signature: Uint8Array
}

/** Certificates of attestation chains have 0.5 to 2 KB; Azure's AK certificates 2 KB. */
const MAX_CERTIFICATE_BYTES = 16_384
/** More than the 18 of an Intel or AMD certificate. */
const MAX_EXTENSIONS = 64
/** RFC 5280, 4.1.2.2: serial numbers have at most 20 octets. */
const MAX_SERIAL_OCTETS = 20

/**
 * Reads a certificate from DER.
 *
 * @throws EvidenceInvalid (wrap the call in `decoding` to say which certificate it was)
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) {
    throw malformed(
      'the certificate is too large',
      `at most ${MAX_CERTIFICATE_BYTES} bytes`,
      `${der.length} bytes`,
    )
  }
  const outer = new DerReader(readSingle(der, 'certificate', DER_TAG.sequence).content)
  const tbsElement = outer.read('TBSCertificate', DER_TAG.sequence)
  const algorithm = outer.read('signatureAlgorithm', DER_TAG.sequence)
  const signatureBits = outer.read('signature', DER_TAG.bitString)
  outer.end('certificate')

  const tbs = parseTbs(tbsElement, algorithm)
  const scheme = signatureScheme(algorithm, 'signature algorithm')
  const signature = bitStringOctets(signatureBits, 'signature')
  return {
    raw: der,
    tbs: tbsElement.raw,
    ...tbs,
    basicConstraints: basicConstraints(tbs.extensions.get(OID.basicConstraints)),
    keyUsage: keyUsage(tbs.extensions.get(OID.keyUsage)),
    scheme,
    signature: scheme ? portSignature(scheme, signature, 'signature') : signature,
  }
}

type SignedFields = Omit<
  Certificate,
  'raw' | 'tbs' | 'basicConstraints' | 'keyUsage' | 'scheme' | 'signature'
>

/** @param outerAlgorithm the algorithm that stands beside the signature */
function parseTbs(element: DerElement, outerAlgorithm: DerElement): SignedFields {
  const tbs = new DerReader(element.content)
  const version = tbs.optional('version', contextTag(0, true))
  if (!version || smallInteger(readSingle(version.content, 'version', DER_TAG.integer), 'version') !== 2) {
    throw malformed(
      'the certificate has another version',
      'X.509 v3',
      version ? toHex(version.content.subarray(0, 8)) : 'v1',
    )
  }
  const serial = serialNumber(tbs.read('serialNumber', DER_TAG.integer))
  const algorithm = tbs.read('signature algorithm', DER_TAG.sequence)
  // RFC 5280, 4.1.1.2: the signed copy and the outer one must agree, or the outer one could be exchanged.
  if (!bytesEqual(algorithm.raw, outerAlgorithm.raw)) {
    throw malformed('the two signature algorithms differ', toHex(algorithm.raw), toHex(outerAlgorithm.raw))
  }
  const issuer = tbs.read('issuer', DER_TAG.sequence)
  const validity = tbs.sequence('validity')
  const notBefore = timeValue(validity.read('notBefore'), 'notBefore')
  const notAfter = timeValue(validity.read('notAfter'), 'notAfter')
  validity.end('validity')
  const subject = tbs.read('subject', DER_TAG.sequence)
  const spki = tbs.read('subjectPublicKeyInfo', DER_TAG.sequence).raw
  tbs.optional('issuerUniqueID', contextTag(1, false))
  tbs.optional('subjectUniqueID', contextTag(2, false))
  const extensionList = tbs.optional('extensions', contextTag(3, true))
  tbs.end('TBSCertificate')
  return {
    serial,
    issuer: issuer.raw,
    subject: subject.raw,
    subjectCommonName: commonName(subject, 'subject'),
    issuerCommonName: commonName(issuer, 'issuer'),
    notBefore,
    notAfter,
    spki,
    extensions: extensionList ? parseExtensions(extensionList) : new Map<string, Extension>(),
  }
}

/** The certificates of a PEM text, in its order. Blocks with other labels are refused. */
export function parseCertificateChain(pem: string): Certificate[] {
  return decodePem(pem).map(({ label, bytes }) => {
    if (label !== 'CERTIFICATE') throw malformed('a PEM block is no certificate', 'CERTIFICATE', label)
    return parseCertificate(bytes)
  })
}

/** A serial number as {@link Certificate.serial} has it. */
export function serialNumber(element: DerElement): string {
  const octets = unsignedInteger(element, 'serialNumber')
  if (octets.length > MAX_SERIAL_OCTETS) {
    throw malformed('serialNumber is too long', `${MAX_SERIAL_OCTETS} octets`, `${octets.length} octets`)
  }
  return toHex(octets)
}

/** @param explicit the `[3]` (certificate) or `[0]` (CRL) element around Extensions */
export function parseExtensions(explicit: DerElement): Map<string, Extension> {
  return extensionMap(readSingle(explicit.content, 'extensions', DER_TAG.sequence))
}

export function extensionMap(list: DerElement): Map<string, Extension> {
  const extensions = new Map<string, Extension>()
  const reader = new DerReader(list.content)
  while (!reader.done) {
    const entry = reader.sequence('extension')
    const oid = oidText(entry.read('extnID', DER_TAG.oid).content)
    const critical = entry.optional('critical', DER_TAG.boolean)
    const { content: value } = entry.read('extnValue', DER_TAG.octetString)
    entry.end('extension')
    if (extensions.has(oid)) throw malformed('an extension is there twice', 'each extension once', oid)
    if (extensions.size === MAX_EXTENSIONS) {
      throw malformed('there are too many extensions', `at most ${MAX_EXTENSIONS}`, 'more')
    }
    extensions.set(oid, { critical: critical ? booleanValue(critical, 'critical') : false, value })
  }
  return extensions
}

function basicConstraints(extension: Extension | undefined): Certificate['basicConstraints'] {
  if (!extension) return undefined
  const reader = new DerReader(readSingle(extension.value, 'basicConstraints', DER_TAG.sequence).content)
  const ca = reader.optional('cA', DER_TAG.boolean)
  const pathLength = reader.optional('pathLenConstraint', DER_TAG.integer)
  reader.end('basicConstraints')
  return {
    ca: ca ? booleanValue(ca, 'cA') : false,
    pathLength: pathLength && smallInteger(pathLength, 'pathLenConstraint'),
  }
}

function keyUsage(extension: Extension | undefined): KeyUsage | undefined {
  if (!extension) return undefined
  const { content } = readSingle(extension.value, 'keyUsage', DER_TAG.bitString)
  const [unused = 8, bits = 0] = content
  if (content.length < 2 || content.length > 3 || unused > 7) {
    throw malformed('keyUsage has a bad form', 'one or two octets of bits', toHex(content.subarray(0, 8)))
  }
  // Bit 0 is the most significant one.
  return {
    digitalSignature: (bits & 0x80) !== 0,
    keyCertSign: (bits & 0x04) !== 0,
    cRLSign: (bits & 0x02) !== 0,
  }
}

/** String types whose octets are ASCII or UTF-8 where attestation uses them. */
const TEXT_TAGS: readonly number[] = [
  DER_TAG.utf8String,
  DER_TAG.printableString,
  DER_TAG.ia5String,
  DER_TAG.teletexString,
]

function commonName(name: DerElement, what: string): string | undefined {
  let found: string | undefined
  const sets = new DerReader(name.content)
  while (!sets.done) {
    const attributes = new DerReader(sets.read(`${what} part`, DER_TAG.set).content)
    while (!attributes.done) {
      const attribute = attributes.sequence(`${what} attribute`)
      const oid = oidText(attribute.read(`${what} attribute type`, DER_TAG.oid).content)
      const value = attribute.read(`${what} attribute value`)
      attribute.end(`${what} attribute`)
      if (oid === OID.commonName && TEXT_TAGS.includes(value.tag))
        found = new TextDecoder().decode(value.content)
    }
  }
  return found
}
