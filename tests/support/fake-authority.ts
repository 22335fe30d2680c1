import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto'

import { CertificationRequest } from '@peculiar/asn1-csr'
import { AsnConvert, AsnSerializer, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509'

/** A PKI as spec/secrets.md describes it, made with a library that packages/marble does not use. */
export interface FakeAuthority {
  readonly root: Issuer
  readonly intermediate: Issuer
  /** Same subject and key as the intermediate, signed by itself. */
  readonly marbleRoot: Issuer
}

/** A certificate with its key. */
export interface Issuer {
  readonly der: Uint8Array
  readonly pem: string
  readonly key: KeyObject
}

export interface FakeCertificate {
  readonly commonName: string
  /** The key in the certificate; default: a fresh one on the issuer's curve. */
  readonly key?: KeyObject
  readonly isCa?: boolean
  /** Contents of the extension 1.3.9903.2.1, once for each entry. */
  readonly marbleTypes?: readonly string[]
  /** DER of the SubjectAltName extension's value. */
  readonly subjectAltName?: ArrayBuffer
}

/** OIDs of ecdsa-with-SHA256 and -SHA384 (RFC 5758 section 3.2). */
const signatureSuites = {
  'P-256': { hash: 'sha256', algorithm: '1.2.840.10045.4.3.2' },
  'P-384': { hash: 'sha384', algorithm: '1.2.840.10045.4.3.3' },
} as const

export function makeFakeAuthority(curve: 'P-256' | 'P-384' = 'P-256'): FakeAuthority {
  const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: curve }).privateKey
  const intermediateName = 'MarbleRun Coordinator - Intermediate CA'
  const root = issue({ commonName: 'MarbleRun Coordinator', key: newKey(), isCa: true })
  const intermediate = issue({ commonName: intermediateName, key: newKey(), isCa: true }, root)
  const marbleRoot = issue({ commonName: intermediateName, key: intermediate.key, isCa: true })
  return { root, intermediate, marbleRoot }
}

/** Issues a certificate; without an issuer it signs itself. */
export function issue(request: FakeCertificate, issuer?: Issuer): Issuer {
  const curve = (issuer ?? request).key?.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256'
  const suite = signatureSuites[curve]
  const key = request.key ?? generateKeyPairSync('ec', { namedCurve: curve }).privateKey
  const algorithm = new AlgorithmIdentifier({ algorithm: suite.algorithm })
  const subject = commonName(request.commonName)
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: positive(randomBytes(16)),
    signature: algorithm,
    issuer: issuer === undefined ? subject : AsnConvert.parse(issuer.der, Certificate).tbsCertificate.subject,
    validity: new Validity({ notBefore: new Date(), notAfter: new Date('2318-01-01T00:00:00Z') }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(spkiOf(key), SubjectPublicKeyInfo),
    extensions: new Extensions(extensionsFor(request, key, issuer)),
  })
  const signature = sign(suite.hash, Buffer.from(AsnSerializer.serialize(tbsCertificate)), issuer?.key ?? key)
  const der = Buffer.from(
    AsnSerializer.serialize(
      new Certificate({
        tbsCertificate,
        signatureAlgorithm: algorithm,
        signatureValue: new Uint8Array(signature).buffer,
      }),
    ),
  )
  return { der, pem: certificatePem(der), key }
}

/**
 * The marble certificate for a request: CN is the UUID, names are the request's, the key is fresh.
 *
 * @param csr PKCS #10, DER
 */
export function issueMarble(
  { marbleRoot }: FakeAuthority,
  csr: Uint8Array,
  marbleType: string,
  uuid: string,
): Issuer {
  const subjectAltName = requestedNames(csr)
  return issue(
    { commonName: uuid, marbleTypes: [marbleType], ...(subjectAltName && { subjectAltName }) },
    marbleRoot,
  )
}

/** Value of the SubjectAltName extension that a certificate request asks for, DER. */
export function requestedNames(csr: Uint8Array): ArrayBuffer | undefined {
  const { attributes } = AsnConvert.parse(csr, CertificationRequest).certificationRequestInfo
  const [value] = Array.from(attributes).find(({ type }) => type === '1.2.840.113549.1.9.14')?.values ?? []
  if (value === undefined) return undefined
  const extensions = Array.from(AsnConvert.parse(value, Extensions))
  return extensions.find(({ extnID }) => extnID === id_ce_subjectAltName)?.extnValue.buffer
}

/** The four variables that every activation adds (spec/secrets.md, "What an activation adds to Env"). */
export function predefinedVariables(authority: FakeAuthority, marble: Issuer): Record<string, string> {
  return {
    MARBLE_PREDEFINED_ROOT_CA: authority.marbleRoot.pem,
    MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN: marble.pem + authority.intermediate.pem,
    MARBLE_PREDEFINED_PRIVATE_KEY: privateKeyPem(marble.key),
    MARBLE_PREDEFINED_COORDINATOR_ROOT_CA: authority.root.pem,
  }
}

export const privateKeyPem = (key: KeyObject): string =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString()

const certificatePem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`

const spkiOf = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' })

const commonName = (text: string): Name =>
  new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type: '2.5.4.3', value: new AttributeValue({ utf8String: text }) }),
    ]),
  ])

function positive(bytes: Buffer): ArrayBuffer {
  const octets = new Uint8Array(bytes)
  // First bit clear: positive; second bit set: no leading zero octet.
  octets[0] = ((octets[0] ?? 0) & 0x7f) | 0x40
  return octets.buffer
}

/** RFC 7093 method 1, as golden/certificates/README.md says. */
function keyIdentifier(key: KeyObject): KeyIdentifier {
  const { subjectPublicKey } = AsnConvert.parse(spkiOf(key), SubjectPublicKeyInfo)
  const hash = createHash('sha256').update(new Uint8Array(subjectPublicKey)).digest()
  return new KeyIdentifier(new Uint8Array(hash.subarray(0, 20)))
}

function extensionsFor(request: FakeCertificate, key: KeyObject, issuer: Issuer | undefined): Extension[] {
  const usage = request.isCa
    ? KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign
    : KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement
  const made = (extnID: string, critical: boolean, value: unknown): Extension =>
    raw(extnID, critical, AsnSerializer.serialize(value))
  const extensions = [
    made(id_ce_keyUsage, true, new KeyUsage(usage)),
    made(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
    made(id_ce_basicConstraints, true, new BasicConstraints(request.isCa ? { cA: true } : {})),
  ]
  if (request.isCa) {
    extensions.push(
      made(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(key).buffer)),
    )
  }
  if (issuer !== undefined) {
    const value = new AuthorityKeyIdentifier({ keyIdentifier: keyIdentifier(issuer.key) })
    extensions.push(made(id_ce_authorityKeyIdentifier, false, value))
  }
  if (request.subjectAltName !== undefined)
    extensions.push(raw(id_ce_subjectAltName, false, request.subjectAltName))
  for (const type of request.marbleTypes ?? []) {
    extensions.push(raw('1.3.9903.2.1', false, new Uint8Array(Buffer.from(type)).buffer))
  }
  return extensions
}

const raw = (extnID: string, critical: boolean, value: ArrayBuffer): Extension =>
  new Extension({ extnID, critical, extnValue: new OctetString(value) })
