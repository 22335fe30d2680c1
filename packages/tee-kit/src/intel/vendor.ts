import { pem } from '../encoding/x509.ts'
import type { KeyPair } from '../encoding/x509.ts'
import { IntelAuthorities, p256Key } from './authorities.ts'
import type { PckCa } from './authorities.ts'
import { qeIdentity, tcbInfo } from './documents.ts'
import type { JsonObject, Tee, Validity } from './documents.ts'
import { IntelPlatform } from './platform.ts'
import type { PlatformOptions } from './platform.ts'
import { rawSignature } from './quote.ts'

/** What can be wrong with a document or a revocation list. */
export type IssueFault =
  /** Its validity ended a month ago. */
  | 'expired'
  /** Its validity begins tomorrow. */
  | 'not-yet-valid'
  /** Somebody else's key signed. */
  | 'wrong-signature'
  /** Documents only: changed after it was signed, so that all that is `OutOfDate` or `Revoked` looks `UpToDate`. */
  | 'altered'

export interface IssueOptions {
  readonly fault?: IssueFault | undefined
  /** Members of the document (top level) that are to differ. */
  readonly changes?: JsonObject
}

export interface TcbInfoQuery {
  readonly tee: Tee
  /** Hex, 6 bytes. */
  readonly fmspc: string
  /** Hex, 2 bytes; default `0000`. */
  readonly pceId?: string
  /** Of the document; default 3. Version 2 is SGX only. */
  readonly version?: 2 | 3
}

/** Faults of a platform's collateral, by part. */
export type CollateralFaults = Readonly<
  Partial<Record<'tcbInfo' | 'qeIdentity' | 'pckCrl' | 'rootCaCrl', IssueFault>>
>

/** What a provisioning service answers for one platform. Documents are JSON, lists DER, chains PEM. */
export interface CollateralParts {
  readonly tcbInfo: Buffer
  readonly tcbInfoIssuerChain: Buffer
  readonly qeIdentity: Buffer
  readonly qeIdentityIssuerChain: Buffer
  readonly pckCrl: Buffer
  readonly pckCrlIssuerChain: Buffer
  readonly rootCaCrl: Buffer
}

const DAY = 24 * 60 * 60 * 1000
/** Days that a document or list of Intel's is valid. */
const VALIDITY_DAYS = 30

/**
 * Acts as Intel: root and PCK CAs, platforms with PCK certificates, TCB info, QE identities and revocation lists, in the
 * formats of the PCS API. Nothing of it is genuine: only who is told to trust `rootCertificate` believes any of it.
 */
export class IntelVendor {
  readonly #now: () => Date
  readonly #authorities: IntelAuthorities
  readonly #platforms: IntelPlatform[] = []
  /** Signs where a fault asks for somebody else's signature. */
  readonly #strangersKey: KeyPair = p256Key()

  constructor(now: () => Date) {
    this.#now = now
    this.#authorities = new IntelAuthorities(now())
  }

  /** The trust anchor, DER. */
  get rootCertificate(): Buffer {
    return this.#authorities.root.certificate
  }

  /** All platforms so far. */
  get platforms(): readonly IntelPlatform[] {
    return this.#platforms
  }

  /** A new machine, with a PCK certificate. */
  createPlatform(options: PlatformOptions = {}): IntelPlatform {
    const platform = new IntelPlatform(this.#authorities, this.#now(), options)
    this.#platforms.push(platform)
    return platform
  }

  /** Puts a certificate (PCK, PCK CA or TCB signer) on its issuer's lists from now on. */
  revoke(certificate: Uint8Array): void {
    this.#authorities.issuerOf(certificate).revoke(certificate)
  }

  /** `{"tcbInfo":…,"signature":…}`. */
  tcbInfo({ pceId = '0000', version = 3, ...query }: TcbInfoQuery, options: IssueOptions = {}): Buffer {
    const document = tcbInfo({ ...query, pceId, version, ...this.#validity(options.fault) })
    return this.#sign('tcbInfo', { ...document, ...options.changes }, options.fault)
  }

  /** `{"enclaveIdentity":…,"signature":…}`. */
  qeIdentity(tee: Tee, options: IssueOptions = {}): Buffer {
    const document = qeIdentity(tee, this.#validity(options.fault))
    return this.#sign('enclaveIdentity', { ...document, ...options.changes }, options.fault)
  }

  /** DER. */
  pckCrl(ca: PckCa, fault?: IssueFault): Buffer {
    return this.#authorities.pckCas[ca].revocationList(this.#listDates(fault), this.#strangerFor(fault))
  }

  /** DER. */
  rootCrl(fault?: IssueFault): Buffer {
    return this.#authorities.root.revocationList(this.#listDates(fault), this.#strangerFor(fault))
  }

  /** PEM: the signer of TCB info and QE identities, then the root. */
  get tcbSigningChain(): string {
    return pem(this.tcbSigningCertificate, this.rootCertificate)
  }

  /** DER. */
  get tcbSigningCertificate(): Buffer {
    return this.#authorities.tcbSigner
  }

  /** PEM: a PCK CA, then the root. */
  pckCaChain(ca: PckCa): string {
    return pem(this.pckCaCertificate(ca), this.rootCertificate)
  }

  /** DER. */
  pckCaCertificate(ca: PckCa): Buffer {
    return this.#authorities.pckCas[ca].certificate
  }

  /** All that a verifier needs for quotes of a platform. */
  collateral(platform: IntelPlatform, tee: Tee, faults: CollateralFaults = {}): CollateralParts {
    const { fmspc, pceId, ca } = platform
    return {
      tcbInfo: this.tcbInfo({ tee, fmspc, pceId }, { fault: faults.tcbInfo }),
      tcbInfoIssuerChain: Buffer.from(this.tcbSigningChain),
      qeIdentity: this.qeIdentity(tee, { fault: faults.qeIdentity }),
      qeIdentityIssuerChain: Buffer.from(this.tcbSigningChain),
      pckCrl: this.pckCrl(ca, faults.pckCrl),
      pckCrlIssuerChain: Buffer.from(this.pckCaChain(ca)),
      rootCaCrl: this.rootCrl(faults.rootCaCrl),
    }
  }

  #sign(member: string, document: JsonObject, fault: IssueFault | undefined): Buffer {
    const text = JSON.stringify(document)
    const { privateKey } = this.#strangerFor(fault) ?? this.#authorities.tcbSigningKey
    const signature = rawSignature(Buffer.from(text), privateKey).toString('hex')
    const sent =
      fault === 'altered' ? text.replaceAll(/"tcbStatus":"[A-Za-z]+"/g, '"tcbStatus":"UpToDate"') : text
    return Buffer.from(`{"${member}":${sent},"signature":"${signature}"}`)
  }

  #strangerFor(fault: IssueFault | undefined): KeyPair | undefined {
    return fault === 'wrong-signature' ? this.#strangersKey : undefined
  }

  #listDates(fault: IssueFault | undefined): { thisUpdate: Date; nextUpdate: Date } {
    if (fault === 'altered') throw new RangeError("a revocation list can't be altered; use wrong-signature")
    const { issueDate, nextUpdate } = this.#validity(fault)
    return { thisUpdate: issueDate, nextUpdate }
  }

  /** In whole seconds: neither JSON nor DER have more. */
  #validity(fault: IssueFault | undefined): Validity {
    const age = fault === 'expired' ? 2 * VALIDITY_DAYS : fault === 'not-yet-valid' ? -1 : 1
    const issued = Math.floor((this.#now().getTime() - age * DAY) / 1000) * 1000
    return { issueDate: new Date(issued), nextUpdate: new Date(issued + VALIDITY_DAYS * DAY) }
  }
}

export interface IntelVendorOptions {
  /** The vendor's clock; what it issues is valid around that time. Default: the machine's. */
  readonly now?: () => Date
}

/** An Intel of our own, with fresh keys. */
export const createIntelVendor = ({ now = () => new Date() }: IntelVendorOptions = {}): IntelVendor =>
  new IntelVendor(now)
