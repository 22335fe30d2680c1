import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { SecretDefinition } from '../manifest/model.ts'
import { readCertificate } from '../pki/certificate-reader.ts'
import { DerError, readOnly } from '../pki/der-reader.ts'
import { tag } from '../pki/der.ts'
import { parsePublicKey, type PublicKeyKind } from '../pki/public-key.ts'
import { Refusal } from '../refusal.ts'
import { SecretBytes } from './secret-bytes.ts'
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

export interface AcceptedUpload {
  readonly value: SecretValue
  /** A sentence that names the secret and the member; undefined when the upload is what the manifest says. */
  readonly warning: string | undefined
}

/**
 * The value that an upload gives to a user-defined secret.
 *
 * A certificate whose key has another type or size than the manifest says is taken, as the original does: templates and
 * TLS tags work with any, and deployments renew certificates with keys of another kind. A warning tells of it.
 *
 * @throws Refusal `secret_invalid`, naming secret and member: when members don't fit the type, when a key's size is
 * another than the manifest's, and when certificate and private key don't belong together.
 */
export function secretFromUpload(
  name: string,
  definition: SecretDefinition,
  uploaded: UploadedSecret,
): AcceptedUpload {
  const refuse: Refuse = (member, problem) =>
    new Refusal('secret_invalid', `Setting the secret "${name}" (${definition.type}): ${member} ${problem}.`)
  return definition.type === 'symmetric-key' || definition.type === 'plain'
    ? { value: keyValue(definition, uploaded, refuse), warning: undefined }
    : certificateValue(name, definition, uploaded, refuse)
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
  name: string,
  definition: SecretDefinition,
  uploaded: UploadedSecret,
  refuse: Refuse,
): AcceptedUpload {
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
  if (privateKey.length > 0) checkPrivateKey(certificate, privateKey, refuse)
  const value = {
    certificate: certificate.der,
    private: new SecretBytes(privateKey),
    public: new SecretBytes(certificate.publicKey),
  }
  return {
    value,
    warning: fits(definition, certificate.keyKind) ? undefined : unlike(name, definition, certificate),
  }
}

/** A definition without a size says nothing about it. */
function fits({ type, size }: SecretDefinition, kind: PublicKeyKind): boolean {
  const typeOfKey = `cert-${kind.type === 'ec' ? 'ecdsa' : kind.type}`
  return typeOfKey === type && (size === 0 || size === keyBits(kind))
}

function unlike(name: string, { type, size }: SecretDefinition, { keyKind }: UploadedCertificate): string {
  const said = size === 0 ? type : `${type} of ${size} bits`
  return `the certificate uploaded for the secret "${name}" has a key of the kind ${describe(keyKind)}, but the manifest says ${said}`
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
