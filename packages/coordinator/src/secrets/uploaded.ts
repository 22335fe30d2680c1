import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { SecretDefinition } from '../manifest/model.ts'
import { readCertificate } from '../pki/certificate-reader.ts'
import { DerError, readOnly } from '../pki/der-reader.ts'
import { tag } from '../pki/der.ts'
import { parsePublicKey, type PublicKeyKind } from '../pki/public-key.ts'
import { Refusal } from '../refusal.ts'
import { SecretBytes } from './secret-bytes.ts'
import { sizeProblem } from './size.ts'
import type { SecretValue } from './value.ts'

/** The members of one entry of an upload, decoded from base64; undefined: absent, or null. */
export interface UploadMembers {
  /** `Key` */
  readonly key: Uint8Array | undefined
  /** `Cert`: what its text stands for, or `not-base64` when it stands for nothing. An empty object counts as absent. */
  readonly certificate: Uint8Array | 'not-base64' | undefined
  /** `Private` */
  readonly private: Uint8Array | undefined
}

/** One entry of an upload, of which the certificate was read. Whether it fits the manifest is another question. */
export interface UploadedSecret {
  readonly key: Uint8Array | undefined
  readonly certificate: UploadedCertificate | 'not-base64' | undefined
  readonly private: Uint8Array | undefined
}

interface UploadedCertificate {
  readonly x509: X509Certificate
  readonly der: Uint8Array
  readonly publicKey: Uint8Array
  readonly keyKind: PublicKeyKind
}

/**
 * Reads one entry of an upload (spec/client-api.md, "Setting secrets").
 *
 * @param name of the secret, for messages.
 * @throws Refusal `request_malformed` when `Cert` is no certificate in DER.
 */
export function uploadedSecret(name: string, members: UploadMembers): UploadedSecret {
  const { key, certificate, private: privateKey } = members
  const isDer = certificate instanceof Uint8Array
  return {
    key,
    certificate: isDer ? readUploadedCertificate(name, certificate) : certificate,
    private: privateKey,
  }
}

function readUploadedCertificate(name: string, der: Uint8Array): UploadedCertificate {
  try {
    const { publicKey } = readCertificate(der)
    const { kind } = parsePublicKey(publicKey)
    return { x509: new X509Certificate(der), der, publicKey, keyKind: kind }
  } catch (error) {
    const reason = error instanceof DerError ? error.message : 'OpenSSL can not read it'
    throw new Refusal(
      'request_malformed',
      `Setting the secret "${name}": Cert is no certificate in DER: ${reason}. Send one as base64, without PEM lines.`,
      { cause: error },
    )
  }
}

/**
 * The value that an upload gives to a user-defined secret.
 *
 * @throws Refusal `secret_invalid`, naming secret and member: when members don't fit the type, when the size is
 * another than the manifest's, and when certificate and private key don't belong together.
 */
export function secretFromUpload(
  name: string,
  definition: SecretDefinition,
  uploaded: UploadedSecret,
): SecretValue {
  const refuse: Refuse = (member, problem) =>
    new Refusal('secret_invalid', `Setting the secret "${name}" (${definition.type}): ${member} ${problem}.`)
  return definition.type === 'symmetric-key' || definition.type === 'plain'
    ? keyValue(definition, uploaded, refuse)
    : certificateValue(definition, uploaded, refuse)
}

type Refuse = (member: 'Key' | 'Cert' | 'Private', problem: string) => Refusal

function keyValue({ type, size }: SecretDefinition, uploaded: UploadedSecret, refuse: Refuse): SecretValue {
  if (uploaded.certificate !== undefined) throw refuse('Cert', 'does not belong to this type: give Key alone')
  if (uploaded.private !== undefined) throw refuse('Private', 'does not belong to this type: give Key alone')
  const key = uploaded.key ?? new Uint8Array()
  if (type === 'symmetric-key' && (key.length === 0 || key.length * 8 !== size)) {
    throw refuse(
      'Key',
      `has ${key.length * 8} bits, but the manifest says ${size} (Size): give exactly as many`,
    )
  }
  const bytes = new SecretBytes(key)
  return { certificate: undefined, private: bytes, public: bytes }
}

function certificateValue(
  definition: SecretDefinition,
  uploaded: UploadedSecret,
  refuse: Refuse,
): SecretValue {
  const { key, certificate, private: privateKey = new Uint8Array() } = uploaded
  if (key !== undefined)
    throw refuse('Key', 'does not belong to this type: give Cert, and Private if need be')
  if (certificate === undefined) throw refuse('Cert', 'is missing: give a certificate as base64 DER')
  if (certificate === 'not-base64') {
    throw refuse(
      'Cert',
      'is not base64: give the DER of a certificate in standard base64 with padding, no PEM lines',
    )
  }
  checkKeyKind(definition, certificate.keyKind, refuse)
  if (privateKey.length > 0) checkPrivateKey(certificate, privateKey, refuse)
  return {
    certificate: certificate.der,
    private: new SecretBytes(privateKey),
    public: new SecretBytes(certificate.publicKey),
  }
}

/** Compares type and size; a definition without a size takes any. */
function checkKeyKind(definition: SecretDefinition, kind: PublicKeyKind, refuse: Refuse): void {
  const { type, size } = definition
  if (`cert-${kind.type === 'ec' ? 'ecdsa' : kind.type}` !== type) {
    throw refuse(
      'Cert',
      `has a key of another type (${describe(kind)}): give a certificate of the type in the manifest`,
    )
  }
  const bits = keyBits(kind)
  if (size === 0 || size === bits) return
  const impossible = sizeProblem(definition) === undefined ? '' : ', a size that no such key has'
  throw refuse('Cert', `has a key of ${bits} bits, but the manifest says ${size} (Size)${impossible}`)
}

function keyBits(kind: PublicKeyKind): number {
  if (kind.type === 'rsa') return kind.modulusBits
  return kind.type === 'ec' ? Number(kind.curve.slice('P-'.length)) : 256
}

function describe(kind: PublicKeyKind): string {
  switch (kind.type) {
    case 'ec':
      return `ECDSA on ${kind.curve}`
    case 'rsa':
      return `RSA with ${kind.modulusBits} bits`
    case 'ed25519':
      return 'Ed25519'
    case 'unknown':
      return `object identifier ${kind.dotted}`
  }
}

function checkPrivateKey({ x509 }: UploadedCertificate, pkcs8: Uint8Array, refuse: Refuse): void {
  const key = importPrivateKey(pkcs8)
  if (key === undefined) throw refuse('Private', 'is no unencrypted private key in PKCS #8 DER')
  if (!x509.checkPrivateKey(key)) {
    throw refuse('Private', 'does not belong to Cert: give the private key of the key in the certificate')
  }
}

/** Undefined when it is none. OpenSSL's reason is not passed on: who knows what it quotes. */
function importPrivateKey(pkcs8: Uint8Array): KeyObject | undefined {
  try {
    // OpenSSL would pass over what follows the key.
    readOnly(pkcs8, tag.sequence, 'the private key')
    return createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: 'der',
      type: 'pkcs8',
    })
  } catch {
    return undefined
  }
}
