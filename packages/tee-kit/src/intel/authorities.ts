import { X509Certificate, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  KEY_USAGE,
  authorityKeyIdentifier,
  buildCertificate,
  buildRevocationList,
  certificateAuthority,
  keyUsage,
  noCertificateAuthority,
  revocationListAt,
  subjectKeyIdentifier,
} from '../encoding/x509.ts'
import type { Extension, Issuer, KeyPair, Name } from '../encoding/x509.ts'

// Intel's certificate authorities, as the PCK certificate profile describes them. All keys are P-256.

export const p256Key = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** RFC 5280, 4.1.2.2: positive, at most 20 octets; no two alike. */
export const newSerial = (): string => `01${randomBytes(16).toString('hex')}`

const intelName = (commonName: string): Name => [
  ['CN', commonName],
  ['O', 'Intel Corporation'],
  ['L', 'Santa Clara'],
  ['ST', 'CA'],
  ['C', 'US'],
]

const ROOT_CRL_URL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'
const pckCrlUrl = (ca: PckCa): string =>
  `https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=${ca}&encoding=der`

export type PckCa = 'platform' | 'processor'

export interface CertificateRequest {
  readonly subject: Name
  readonly publicKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
  readonly extensions: readonly Extension[]
}

/** One authority: its certificate, whatever it issues, and the list of what it revoked. */
export class Authority {
  readonly issuer: Issuer
  readonly certificate: Buffer
  readonly #revoked = new Set<string>()
  #listNumber = 0

  constructor(issuer: Issuer, certificate: Buffer) {
    this.issuer = issuer
    this.certificate = certificate
  }

  issue({ extensions, ...fields }: CertificateRequest): Buffer {
    const identifiers = [
      authorityKeyIdentifier(this.issuer.key.publicKey),
      subjectKeyIdentifier(fields.publicKey),
    ]
    return buildCertificate(
      { serial: newSerial(), ...fields, extensions: [...identifiers, ...extensions] },
      this.issuer,
    )
  }

  /** From now on this certificate is on the authority's lists. */
  revoke(certificate: Uint8Array): void {
    this.#revoked.add(new X509Certificate(certificate).serialNumber)
  }

  /** @param key signs instead of the authority's own */
  revocationList(dates: { thisUpdate: Date; nextUpdate: Date }, key?: KeyPair): Buffer {
    this.#listNumber += 1
    return buildRevocationList(
      { ...dates, revokedSerials: [...this.#revoked], number: this.#listNumber },
      key === undefined ? this.issuer : { ...this.issuer, key },
    )
  }
}

/** Root, PCK CAs and the signer of TCB info and QE identities. */
export class IntelAuthorities {
  readonly root: Authority
  readonly pckCas: Readonly<Record<PckCa, Authority>>
  readonly tcbSigningKey = p256Key()
  readonly tcbSigner: Buffer

  constructor(now: Date) {
    const years = (count: number): Date => {
      const date = new Date(now)
      date.setUTCFullYear(date.getUTCFullYear() + count)
      return date
    }
    this.root = newRoot(years(-6), years(24))
    const authority = (name: string): Authority => {
      const key = p256Key()
      const certificate = this.root.issue({
        subject: intelName(name),
        publicKey: key.publicKey,
        notBefore: years(-6),
        notAfter: years(9),
        extensions: [
          revocationListAt(ROOT_CRL_URL),
          keyUsage(KEY_USAGE.keyCertSign | KEY_USAGE.cRLSign),
          certificateAuthority(0),
        ],
      })
      return new Authority({ name: intelName(name), key, signature: 'ecdsa-sha256' }, certificate)
    }
    this.pckCas = {
      platform: authority('Intel SGX PCK Platform CA'),
      processor: authority('Intel SGX PCK Processor CA'),
    }
    this.tcbSigner = this.root.issue({
      subject: intelName('Intel SGX TCB Signing'),
      publicKey: this.tcbSigningKey.publicKey,
      notBefore: years(-1),
      notAfter: years(6),
      extensions: [revocationListAt(ROOT_CRL_URL), ...signingExtensions],
    })
  }

  /** A platform's certificate. Intel's live for seven years. */
  issuePck(ca: PckCa, publicKey: KeyObject, from: Date, sgxExtension: Extension): Buffer {
    const notAfter = new Date(from)
    notAfter.setUTCFullYear(notAfter.getUTCFullYear() + 7)
    return this.pckCas[ca].issue({
      subject: intelName('Intel SGX PCK Certificate'),
      publicKey,
      notBefore: from,
      notAfter,
      extensions: [revocationListAt(pckCrlUrl(ca)), ...signingExtensions, sgxExtension],
    })
  }

  /** Whose certificate this is: the authority that issued it, and would revoke it. */
  issuerOf(certificate: Uint8Array): Authority {
    const read = new X509Certificate(certificate)
    const issuer = [this.root, ...Object.values(this.pckCas)].find((one) =>
      read.verify(one.issuer.key.publicKey),
    )
    if (issuer === undefined) throw new RangeError(`none of this vendor's authorities issued ${read.subject}`)
    return issuer
  }
}

const signingExtensions: readonly Extension[] = [
  keyUsage(KEY_USAGE.digitalSignature | KEY_USAGE.nonRepudiation),
  noCertificateAuthority(),
]

function newRoot(notBefore: Date, notAfter: Date): Authority {
  const key = p256Key()
  const name = intelName('Intel SGX Root CA')
  const issuer: Issuer = { name, key, signature: 'ecdsa-sha256' }
  const certificate = buildCertificate(
    {
      serial: newSerial(),
      subject: name,
      publicKey: key.publicKey,
      notBefore,
      notAfter,
      extensions: [
        authorityKeyIdentifier(key.publicKey),
        revocationListAt(ROOT_CRL_URL),
        subjectKeyIdentifier(key.publicKey),
        keyUsage(KEY_USAGE.keyCertSign | KEY_USAGE.cRLSign),
        certificateAuthority(1),
      ],
    },
    issuer,
  )
  return new Authority(issuer, certificate)
}
