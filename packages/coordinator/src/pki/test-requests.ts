import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { bitString, constructedContextTag, element, sequence, setOf, smallInteger } from './der.ts'
import { encodeExtension, subjectAltName } from './extensions.ts'
import { emptyName, encodeName } from './name.ts'
import { extension, extensionRequest, known } from './object-identifier.ts'

/** Certificate requests for tests, with each part replaceable. */
export interface RequestParts {
  readonly key?: KeyObject
  readonly subject?: Uint8Array
  /** DER of the public key; given: the key pair's. */
  readonly publicKey?: Uint8Array
  /** DER of each requested extension. */
  readonly extensions?: readonly Uint8Array[]
  /** DER of each attribute, besides the request for extensions. */
  readonly attributes?: readonly Uint8Array[]
  readonly digest?: string
  /** Dotted. */
  readonly algorithm?: string
}

export const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
export const ecdsaSha256 = '1.2.840.10045.4.3.2'

export const localhost: Uint8Array = subjectAltName(
  { dnsNames: ['localhost'], emailAddresses: [], ipAddresses: [Uint8Array.of(127, 0, 0, 1)], uris: [] },
  false,
)

/** A PKCS #10 request in DER. */
export function requestWith(parts: RequestParts = {}): Uint8Array {
  const { key = p256, subject = encodeName(emptyName), extensions = [localhost], attributes = [] } = parts
  const { digest = 'sha256', algorithm = ecdsaSha256 } = parts
  const publicKey = parts.publicKey ?? spkiOf(key)
  const asked = sequence(extensionRequest.encoding, setOf([sequence(extensions)]))
  const info = sequence(
    smallInteger(0),
    subject,
    publicKey,
    element(constructedContextTag(0), extensions.length === 0 ? [] : asked, attributes),
  )
  const signature = sign(key.asymmetricKeyType === 'ed25519' ? null : digest, info, key)
  return sequence(info, sequence(known(algorithm).encoding), bitString(signature))
}

/** DER of the public key that belongs to a private one. */
export const spkiOf = (key: KeyObject): Uint8Array =>
  createPublicKey(key).export({ type: 'spki', format: 'der' })

/** An extension whose value is given in hex. */
export const rawExtension = (dotted: string, hex: string): Uint8Array =>
  encodeExtension(known(dotted).encoding, false, Buffer.from(hex, 'hex'))

/** subjectAltName with the value in hex. */
export const altName = (hex: string): Uint8Array => rawExtension(extension.subjectAltName.dotted, hex)
