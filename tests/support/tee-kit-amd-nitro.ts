import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { AmdRoot } from '../../packages/attestation/src/amd/roots.ts'
import type { AmdProduct } from '../../packages/attestation/src/amd/tcb.ts'
import { parseCertificate } from '../../packages/attestation/src/core/x509.ts'
import type { Certificate } from '../../packages/attestation/src/core/x509.ts'
import { p384Key } from '../../packages/tee-kit/src/amd/authorities.ts'
import { snpReport, signReport } from '../../packages/tee-kit/src/amd/report.ts'
import type { SnpReportFields } from '../../packages/tee-kit/src/amd/report.ts'
import type { SnpTcb } from '../../packages/tee-kit/src/amd/tcb.ts'
import { fromHex } from '../../packages/tee-kit/src/encoding/bytes.ts'
import { cbor } from '../../packages/tee-kit/src/encoding/cbor.ts'
import type { CborItem } from '../../packages/tee-kit/src/encoding/cbor.ts'
import { coseSign1 } from '../../packages/tee-kit/src/encoding/cose.ts'
import { ia5String, integer } from '../../packages/tee-kit/src/encoding/der.ts'
import { type Extension, type KeyPair, keyUsage } from '../../packages/tee-kit/src/encoding/x509.ts'
import { authorityExtensions, buildCertificate, buildCrl } from './x509-builder.ts'
import type { CertificateFields } from './x509-builder.ts'

export { p384Key }

// CPU vendor and cloud provider for tests: their certificate authorities, with roots of their own, and devices that make
// evidence in the true formats. Every field can be set, so that faults can be made by whoever asks for them.

const rsaKey = (): KeyPair => generateKeyPairSync('rsa', { modulusLength: 2048 })

/** Validity of whatever states none. */
export const TEST_VALIDITY = {
  notBefore: new Date('2024-01-01T00:00:00Z'),
  notAfter: new Date('2034-01-01T00:00:00Z'),
} as const
/** A time inside of it. */
export const TEST_TIME = new Date('2025-06-01T00:00:00Z')

export interface TestChip {
  /** 64 bytes (Turin: 8). */
  readonly id: Uint8Array
  readonly tcb: SnpTcb
}

/** What an endorsement is made with beside the chip; each may be wrong. */
export interface EndorsementFaults extends Partial<
  Pick<CertificateFields, 'issuer' | 'notBefore' | 'notAfter'>
> {
  readonly subject?: string
  readonly productName?: string
  readonly signer?: KeyObject
  readonly extensions?: readonly Extension[]
}

export interface TestEndorsement {
  /** DER. */
  readonly certificate: Uint8Array
  readonly key: KeyPair
}

const AMD_ARC = '1.3.6.1.4.1.3704.1'

/** AMD: ARK, ASK and ASVK of one product line, and whatever they sign. */
export class TestAmd {
  readonly product: AmdProduct
  readonly arkKey = rsaKey()
  readonly askKey = rsaKey()
  readonly asvkKey = rsaKey()
  readonly ark: Uint8Array
  readonly ask: Uint8Array
  readonly asvk: Uint8Array

  constructor(product: AmdProduct) {
    this.product = product
    const issuer = `ARK-${product}`
    const authority = (subject: string, serial: number, { publicKey }: KeyPair): Uint8Array =>
      buildCertificate(
        { ...TEST_VALIDITY, serial, issuer, subject, publicKey, extensions: authorityExtensions() },
        this.arkKey.privateKey,
        'rsa-pss-sha384',
      )
    this.ark = authority(issuer, 0x10000, this.arkKey)
    this.ask = authority(`SEV-${product}`, 0x10001, this.askKey)
    this.asvk = authority(`SEV-VLEK-${product}`, 0x10101, this.asvkKey)
  }

  /** What a verifier has to be given to trust this vendor. */
  get root(): AmdRoot {
    return {
      product: this.product,
      ark: parseCertificate(this.ark),
      intermediates: [parseCertificate(this.ask), parseCertificate(this.asvk)],
    }
  }

  vcek(chip: TestChip, faults: EndorsementFaults = {}): TestEndorsement {
    return this.#endorse(
      { subject: 'SEV-VCEK', issuer: `SEV-${this.product}`, signer: this.askKey.privateKey, ...faults },
      [...this.#tcbExtensions(chip.tcb), { oid: `${AMD_ARC}.4`, value: chip.id }],
    )
  }

  vlek(tcb: SnpTcb, cspId = 'CN=cc-test-1.example.com', faults: EndorsementFaults = {}): TestEndorsement {
    return this.#endorse(
      { subject: 'SEV-VLEK', issuer: `SEV-VLEK-${this.product}`, signer: this.asvkKey.privateKey, ...faults },
      [...this.#tcbExtensions(tcb), { oid: `${AMD_ARC}.5`, value: ia5String(cspId) }],
    )
  }

  crl(
    revokedSerials: readonly number[],
    thisUpdate = TEST_VALIDITY.notBefore,
    nextUpdate = TEST_VALIDITY.notAfter,
    signer = this.arkKey.privateKey,
  ): Uint8Array {
    return buildCrl(
      { issuer: `ARK-${this.product}`, thisUpdate, nextUpdate, revokedSerials },
      signer,
      'rsa-pss-sha384',
    )
  }

  #endorse(
    faults: EndorsementFaults & { subject: string; issuer: string; signer: KeyObject },
    extensions: readonly Extension[],
  ): TestEndorsement {
    const key = p384Key()
    const productName = faults.productName ?? this.product
    const fields: CertificateFields = {
      serial: 0,
      issuer: faults.issuer,
      subject: faults.subject,
      notBefore: faults.notBefore ?? TEST_VALIDITY.notBefore,
      notAfter: faults.notAfter ?? TEST_VALIDITY.notAfter,
      publicKey: key.publicKey,
      extensions: faults.extensions ?? [
        { oid: `${AMD_ARC}.1`, value: integer(this.product === 'Turin' ? 1 : 0) },
        { oid: `${AMD_ARC}.2`, value: ia5String(productName) },
        ...extensions,
      ],
    }
    return { certificate: buildCertificate(fields, faults.signer, 'rsa-pss-sha384'), key }
  }

  #tcbExtensions(tcb: SnpTcb): Extension[] {
    const reserved = this.product === 'Turin' ? [5, 6, 7] : [4, 5, 6, 7]
    const levels: readonly (readonly [number, number])[] = [
      [1, tcb.bootloader ?? 0],
      [2, tcb.tee ?? 0],
      [3, tcb.snp ?? 0],
      [8, tcb.microcode ?? 0],
      ...(this.product === 'Turin' ? [[9, tcb.fmc ?? 0] as const] : []),
      ...reserved.map((arc) => [arc, 0] as const),
    ]
    return levels.map(([arc, level]) => ({ oid: `${AMD_ARC}.3.${arc}`, value: integer(level) }))
  }
}

/** Fields of a report; those left out are those of a plain guest. Byte strings are hex. */
export interface TestReportFields extends Omit<SnpReportFields, 'reportData' | 'reportedTcb' | 'chipId'> {
  readonly reportData?: string
  /** AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY; as they are, whatever else the report says. */
  readonly flags?: number
}

/** SMT and the bit that has to be one. */
export const PLAIN_POLICY = 0x30000n
export const DEBUG_POLICY = 0xb0000n
export const FLAGS_VLEK = 0x04

/** A report of the chip, signed. */
export function makeSnpReport(
  product: AmdProduct,
  { id, tcb }: TestChip,
  signer: KeyObject,
  { reportData = '', flags = 0, ...fields }: TestReportFields = {},
): Uint8Array {
  const chip = { product, tcb, chipId: Buffer.from(id).toString('hex') }
  const report = snpReport(chip, 'VCEK', { ...fields, reportData: fromHex(reportData) })
  report.writeUInt32LE(flags, 0x48)
  signReport(report, signer)
  return report
}

/** Signs a report anew, for example after it was changed. */
export function signSnpReport(report: Uint8Array, signer: KeyObject): Uint8Array {
  const copy = Buffer.from(report)
  signReport(copy, signer)
  return copy
}

export function newChip(product: AmdProduct, tcb: SnpTcb): TestChip {
  return { id: randomBytes(product === 'Turin' ? 8 : 64), tcb }
}

export interface NitroFields {
  readonly moduleId?: string
  readonly timestamp?: number
  /** Hex by index; PCR0 to PCR2 and a few zeros when left out. */
  readonly pcrs?: ReadonlyMap<number, Uint8Array>
  readonly publicKey?: Uint8Array | null
  readonly userData?: Uint8Array | null
  readonly nonce?: Uint8Array | null
  /** Further members, or other values for those above. */
  readonly members?: ReadonlyMap<string, CborItem>
}

/** AWS: the root, an authority below it, and a hypervisor whose certificate lives for three hours. */
export class TestNitro {
  readonly rootKey = p384Key()
  readonly zoneKey = p384Key()
  readonly enclaveKey = p384Key()
  readonly root: Uint8Array
  readonly zone: Uint8Array
  readonly leaf: Uint8Array
  readonly leafValidity = {
    notBefore: new Date('2025-05-31T23:00:00Z'),
    notAfter: new Date('2025-06-01T02:00:03Z'),
  }

  constructor() {
    this.root = this.#issue('aws.nitro-enclaves', this.rootKey.publicKey, 'aws.nitro-enclaves', this.rootKey)
    this.zone = this.#issue(
      'zone.aws.nitro-enclaves',
      this.zoneKey.publicKey,
      'aws.nitro-enclaves',
      this.rootKey,
    )
    this.leaf = this.enclaveCertificate()
  }

  get anchors(): readonly Certificate[] {
    return [parseCertificate(this.root)]
  }

  /** The certificate of the enclave's key, or one with faults. */
  enclaveCertificate(faults: Partial<CertificateFields> & { signer?: KeyObject } = {}): Uint8Array {
    const fields: CertificateFields = {
      ...this.leafValidity,
      issuer: 'zone.aws.nitro-enclaves',
      subject: 'i-0123456789abcdef0-enc0123456789abcdef',
      publicKey: this.enclaveKey.publicKey,
      extensions: [keyUsage(0x80)],
      ...faults,
    }
    return buildCertificate(fields, faults.signer ?? this.zoneKey.privateKey, 'ecdsa-sha384')
  }

  /** An attestation document, as the Nitro Secure Module gives it. */
  document(fields: NitroFields = {}): Uint8Array {
    return cbor(coseSign1(this.payload(fields), this.enclaveKey.privateKey))
  }

  payload(fields: NitroFields = {}): Uint8Array {
    const measured = new Map(
      [0, 1, 2, 3, 4].map((index) => [index, new Uint8Array(48).fill(index < 3 ? index + 1 : 0)]),
    )
    const members = new Map<string, CborItem>([
      ['module_id', fields.moduleId ?? 'i-0123456789abcdef0-enc0123456789abcdef'],
      ['digest', 'SHA384'],
      ['timestamp', fields.timestamp ?? TEST_TIME.getTime()],
      ['pcrs', fields.pcrs ?? measured],
      ['certificate', this.leaf],
      ['cabundle', [this.root, this.zone]],
      ['public_key', fields.publicKey ?? null],
      ['user_data', fields.userData ?? null],
      ['nonce', fields.nonce ?? null],
      ...(fields.members ?? []),
    ])
    return cbor(members)
  }

  #issue(subject: string, publicKey: KeyObject, issuer: string, signer: KeyPair): Uint8Array {
    return buildCertificate(
      { ...TEST_VALIDITY, issuer, subject, publicKey, extensions: authorityExtensions() },
      signer.privateKey,
      'ecdsa-sha384',
    )
  }
}
