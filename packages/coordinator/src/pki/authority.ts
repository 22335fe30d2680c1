import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import { extensionValue, readCertificate } from './certificate-reader.ts'
import { issueCertificate, type Signer } from './certificate.ts'
import type { Curve } from './curve.ts'
import type { AuthorityNames } from './authority-names.ts'
import { parseSubjectAltName, parseSubjectKeyIdentifier } from './extension-values.ts'
import {
  authorityKeyIdentifier,
  basicConstraints,
  keyIdentifier,
  keyUsage,
  keyUsageBit,
  serverAndClientAuth,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.ts'
import { generateKeyPair } from './key-pair.ts'
import { emptyName, encodeName } from './name.ts'
import { extension } from './object-identifier.ts'
import { parsePublicKey } from './public-key.ts'
import { unlimitedValidity } from './time.ts'

/**
 * The Coordinator's PKI, as the state keeps it: certificates as DER, keys as PKCS #8 DER.
 *
 * Intermediate and marble root are cross-signed siblings: the same subject and key, the one signed by the root, the
 * other by itself.
 */
export interface Authority {
  readonly rootCertificate: Uint8Array
  readonly rootKey: SecretBytes
  readonly intermediateCertificate: Uint8Array
  readonly intermediateKey: SecretBytes
  readonly marbleRootCertificate: Uint8Array
}

/** The marble root, ready to sign: what every issuing needs of it is imported and encoded once. */
export interface Issuer extends Signer {
  /** DER of the extension that certificates signed by it have. */
  readonly authorityKeyIdentifier: Uint8Array
}

const rootName = encodeName({ ...emptyName, commonName: 'MarbleRun Coordinator' })
const intermediateName = encodeName({ ...emptyName, commonName: 'MarbleRun Coordinator - Intermediate CA' })

/** Makes root, intermediate and marble root with new keys. */
export async function createAuthority(curve: Curve, names: AuthorityNames, now: Date): Promise<Authority> {
  const { publicKey, privateKey } = await generateKeyPair(curve)
  const root = { name: rootName, curve, key: importKey(privateKey) }
  const rootCertificate = await issueAuthority(root, { subject: rootName, publicKey, names, now })
  return { rootCertificate, rootKey: privateKey, ...(await createIntermediate(root, publicKey, names, now)) }
}

/**
 * Replaces intermediate and marble root, as every update does. The root lives as long as the deployment.
 *
 * @param names all of them, extra IP addresses too, whatever kind of update it is (spec/quirks.md).
 */
export async function renewIntermediate(
  authority: Authority,
  names: AuthorityNames,
  now: Date,
): Promise<Authority> {
  const { publicKey } = readCertificate(authority.rootCertificate)
  const root = { name: rootName, curve: curveOf(publicKey), key: importKey(authority.rootKey) }
  return { ...authority, ...(await createIntermediate(root, publicKey, names, now)) }
}

async function createIntermediate(
  root: Signer,
  rootPublicKey: Uint8Array,
  names: AuthorityNames,
  now: Date,
): Promise<Omit<Authority, 'rootCertificate' | 'rootKey'>> {
  const { publicKey, privateKey } = await generateKeyPair(root.curve)
  const contents = { subject: intermediateName, publicKey, names, now }
  const marbleRoot = { name: intermediateName, curve: root.curve, key: importKey(privateKey) }
  return {
    intermediateCertificate: await issueAuthority(root, contents, keyIdentifier(rootPublicKey)),
    intermediateKey: privateKey,
    marbleRootCertificate: await issueAuthority(marbleRoot, contents),
  }
}

interface AuthorityContents {
  readonly subject: Uint8Array
  readonly publicKey: Uint8Array
  readonly names: AuthorityNames
  readonly now: Date
}

/** @param signerKeyIdentifier undefined: the certificate is signed by its own key. */
async function issueAuthority(
  signer: Signer,
  { subject, publicKey, names, now }: AuthorityContents,
  signerKeyIdentifier?: Uint8Array,
): Promise<Uint8Array> {
  const extensions = [
    keyUsage(keyUsageBit.digitalSignature | keyUsageBit.certSign),
    serverAndClientAuth,
    basicConstraints(true),
    subjectKeyIdentifier(keyIdentifier(publicKey)),
    ...(signerKeyIdentifier === undefined ? [] : [authorityKeyIdentifier(signerKeyIdentifier)]),
    subjectAltName({ ...names, emailAddresses: [], uris: [] }, false),
  ]
  return await issueCertificate(signer, { subject, validity: unlimitedValidity(now), publicKey, extensions })
}

/** The names that the root certificate was made for. */
export function authorityNames(authority: Authority): AuthorityNames {
  const { extensions } = readCertificate(authority.rootCertificate)
  const { dnsNames, ipAddresses } = parseSubjectAltName(
    required(extensionValue(extensions, extension.subjectAltName)),
  )
  return { dnsNames, ipAddresses }
}

/** The curve that the PKI was made on. */
export const authorityCurve = (authority: Authority): Curve =>
  curveOf(readCertificate(authority.rootCertificate).publicKey)

/**
 * Makes the marble root ready to sign.
 *
 * @throws Error when key and certificate don't belong together: the state was put together wrongly.
 */
export function importIssuer(authority: Authority): Issuer {
  const key = importKey(authority.intermediateKey)
  if (!new X509Certificate(authority.marbleRootCertificate).checkPrivateKey(key)) {
    throw new Error('the intermediate key is not the key of the marble root certificate')
  }
  const { subject, publicKey, extensions } = readCertificate(authority.marbleRootCertificate)
  const identifier = parseSubjectKeyIdentifier(
    required(extensionValue(extensions, extension.subjectKeyIdentifier)),
  )
  return {
    name: subject,
    curve: curveOf(publicKey),
    key,
    authorityKeyIdentifier: authorityKeyIdentifier(identifier),
  }
}

/** The key that signs the manifest's fingerprint and verified quotes (spec/client-api.md). */
export const importRootKey = (authority: Authority): KeyObject => importKey(authority.rootKey)

function importKey(privateKey: SecretBytes): KeyObject {
  const bytes = privateKey.reveal()
  return createPrivateKey({
    key: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
    format: 'der',
    type: 'pkcs8',
  })
}

function curveOf(publicKey: Uint8Array): Curve {
  const { kind } = parsePublicKey(publicKey)
  if (kind.type === 'ec' && (kind.curve === 'P-256' || kind.curve === 'P-384')) return kind.curve
  throw new Error('the root key is neither on P-256 nor on P-384, so the Coordinator did not make it')
}

function required(value: Uint8Array | undefined): Uint8Array {
  if (value === undefined)
    throw new Error('a CA certificate lacks an extension that the Coordinator always writes')
  return value
}
