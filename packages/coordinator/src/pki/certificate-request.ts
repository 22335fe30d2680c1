import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { Refusal } from '../refusal.ts'
import { readExtensions, extensionValue, type CertificateExtension } from './certificate-reader.ts'
import { DerError, DerReader, readOnly } from './der-reader.ts'
import { constructedContextTag, tag } from './der.ts'
import { parseSubjectAltName } from './extension-values.ts'
import { nameParts, parseName, type NameParts } from './name.ts'
import { dottedIdentifier, extension, extensionRequest } from './object-identifier.ts'
import { pemEncode } from './pem.ts'
import { parsePublicKey, type PublicKeyKind } from './public-key.ts'
import { signatureScheme, type SignatureScheme } from './signature-scheme.ts'

/** A request of more octets is not looked at. A usual one has 350. */
export const largestRequest = 65_536

/** Time to check a signature grows with the square of it; bits. OpenSSL's own limit is 16384. */
const largestModulus = 8192

/** The largest public exponent that Go's RSA takes, and with it the original. */
const largestExponent = 0x7fff_ffff

/** A PKCS #10 request whose own signature was verified: only {@link CertificateRequest.verify} makes one. */
export class CertificateRequest {
  readonly subject: NameParts
  readonly dnsNames: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Uint8Array[]
  /** What is weak about key or signature, for the log. Trust doesn't rest on them, so they are no refusal. */
  readonly warnings: readonly string[]

  private constructor(parsed: ParsedRequest) {
    this.subject = parsed.subject
    this.dnsNames = parsed.dnsNames
    this.ipAddresses = parsed.ipAddresses
    this.warnings = weaknesses(parsed)
  }

  /**
   * Reads a request and checks its signature (RFC 2986).
   *
   * Of what it asks for, DNS names and IP addresses are kept, and the attributes of the subject that are known
   * (`NameParts`). Requested extensions but subjectAltName have no effect.
   *
   * @param der up to 65,536 octets, with nothing behind the request.
   * @throws Refusal `csr_invalid`
   */
  static async verify(der: Uint8Array): Promise<CertificateRequest> {
    const parsed = parseOrRefuse(der)
    if (!(await isSignatureValid(parsed))) {
      throw refusal(
        'its own signature does not verify. Sign it with the private key that belongs to its public key',
      )
    }
    return new CertificateRequest(parsed)
  }
}

const refusal = (reason: string, cause?: unknown): Refusal =>
  new Refusal('csr_invalid', `The certificate request can't be accepted: ${reason}.`, { cause })

interface ParsedRequest {
  readonly signed: Uint8Array
  readonly scheme: SignatureScheme
  readonly signature: Uint8Array
  readonly publicKey: Uint8Array
  readonly keyKind: PublicKeyKind
  readonly subject: NameParts
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly Uint8Array[]
}

function parseOrRefuse(der: Uint8Array): ParsedRequest {
  if (der.length > largestRequest) {
    throw refusal(`it has ${der.length} octets, and at most ${largestRequest} are taken. Ask for fewer names`)
  }
  try {
    return parseRequest(der)
  } catch (error) {
    if (error instanceof DerError) throw refusal(`${error.message}. Send a PKCS #10 request in DER`, error)
    throw error
  }
}

function parseRequest(der: Uint8Array): ParsedRequest {
  const request = new DerReader(readOnly(der, tag.sequence, 'the request').contents)
  const info = request.read(tag.sequence, 'certificationRequestInfo')
  const algorithm = request.read(tag.sequence, 'signatureAlgorithm').encoding
  const signature = request.readWholeBitString('the signature')
  request.end('the signature')

  const fields = new DerReader(info.contents)
  fields.readInteger('version')
  const subject = nameParts(parseName(fields.read(tag.sequence, 'subject').encoding, 'the subject', 'skip'))
  const publicKey = fields.read(tag.sequence, 'subjectPKInfo').encoding
  const keyKind = parsePublicKey(publicKey).kind
  const attributes = new DerReader(fields.read(constructedContextTag(0), 'attributes').contents)
  fields.end('attributes')
  const altName = extensionValue(requestedExtensions(attributes), extension.subjectAltName)
  const { dnsNames, ipAddresses } =
    altName === undefined ? { dnsNames: [], ipAddresses: [] } : parseSubjectAltName(altName)
  checkKey(keyKind)
  const scheme = signatureScheme(algorithm)
  if (scheme === undefined) throw new DerError('its signature algorithm is unknown or not safe')
  if (scheme.keyType !== keyKind.type) throw new DerError('its signature algorithm does not fit its key')
  return { signed: info.encoding, scheme, signature, publicKey, keyKind, subject, dnsNames, ipAddresses }
}

/** The extensions of all extension requests. Attributes that are none, or no attributes, are passed over. */
function requestedExtensions(attributes: DerReader): readonly CertificateExtension[] {
  const requested: CertificateExtension[] = []
  while (!attributes.isAtEnd) {
    const value = extensionRequestValue(attributes.readAny('an attribute').encoding)
    if (value !== undefined) requested.push(...readExtensions(value, 'the request'))
  }
  if (new Set(requested.map(({ dotted }) => dotted)).size < requested.length) {
    throw new DerError('an extension is requested twice')
  }
  return requested
}

function extensionRequestValue(attribute: Uint8Array): Uint8Array | undefined {
  try {
    const fields = new DerReader(attribute).enterSequence('an attribute')
    const dotted = dottedIdentifier(fields.readObjectIdentifier('the type of an attribute'))
    const values = new DerReader(fields.read(tag.set, 'the values of an attribute').contents)
    const first = values.readAny('the value of an attribute').encoding
    return dotted === extensionRequest.dotted ? first : undefined
  } catch (error) {
    if (error instanceof DerError) return undefined
    throw error
  }
}

function checkKey(kind: PublicKeyKind): void {
  if (kind.type === 'unknown') throw new DerError(`its key is of the unknown type ${kind.dotted}`)
  if (kind.type !== 'rsa') return
  if (kind.modulusBits < 1024 || kind.modulusBits > largestModulus) {
    throw new DerError(`its RSA key has ${kind.modulusBits} bits instead of 1024 to ${largestModulus}`)
  }
  if (kind.exponent < 3 || kind.exponent > largestExponent || kind.exponent % 2 === 0) {
    throw new DerError(`its RSA key has the public exponent ${kind.exponent}`)
  }
}

async function isSignatureValid({
  signed,
  scheme,
  signature,
  publicKey,
  keyKind,
}: ParsedRequest): Promise<boolean> {
  const imported = importPublicKey(publicKey)
  // Node tells a key from options by an exception, which costs half a P-256 signature.
  const key = scheme.options === undefined ? imported : { key: imported, ...scheme.options }
  try {
    return isSlowToVerify(keyKind)
      ? await verifyOnThread(scheme.digest, signed, key, signature)
      : verify(scheme.digest, signed, key, signature)
  } catch (error) {
    throw refusal('its signature is malformed', error)
  }
}

/**
 * P-256, Ed25519 and RSA of usual sizes take less than the way to libuv's threads and back; the other curves, at up
 * to 1 ms, would hold up everyone else.
 */
const isSlowToVerify = (kind: PublicKeyKind): boolean =>
  kind.type === 'ec' ? kind.curve !== 'P-256' : kind.type === 'rsa' && kind.modulusBits > 4096

const verifyOnThread = promisify<
  string | null,
  Uint8Array,
  KeyObject | { key: KeyObject; padding?: number; saltLength?: number },
  Uint8Array,
  boolean
>(verify)

/** As PEM, since Node's four exceptions on the way to DER cost more than all the rest (measured: 107 against 47 µs). */
function importPublicKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey(pemEncode('PUBLIC KEY', spki))
  } catch (error) {
    throw refusal('its public key is malformed', error)
  }
}

function weaknesses({ scheme, keyKind }: ParsedRequest): readonly string[] {
  const warnings: string[] = []
  if (scheme.digest === 'sha1') warnings.push('the certificate request is signed with SHA-1')
  if (keyKind.type === 'rsa' && keyKind.modulusBits < 2048) {
    warnings.push(`the certificate request has an RSA key of ${keyKind.modulusBits} bits`)
  }
  return warnings
}
