import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { AmdRoot } from '../../packages/attestation/src/amd/roots.ts'
import { TCB_LAYOUT } from '../../packages/attestation/src/amd/tcb.ts'
import type { AmdProduct, TcbComponent } from '../../packages/attestation/src/amd/tcb.ts'
import { concatBytes } from '../../packages/attestation/src/core/bytes.ts'
import { signedBytes } from '../../packages/attestation/src/core/cose.ts'
import { DER_TAG } from '../../packages/attestation/src/core/der.ts'
import { fromHex } from '../../packages/attestation/src/core/encoding.ts'
import { parseCertificate } from '../../packages/attestation/src/core/x509.ts'
import type { Certificate } from '../../packages/attestation/src/core/x509.ts'
import { cbor } from './cbor-writer.ts'
import type { CborItem } from './cbor-writer.ts'
import {
  authorityExtensions,
  buildCertificate,
  buildCrl,
  derInteger,
  derText,
  keyUsageExtension,
} from './x509-builder.ts'
import type { CertificateFields, TestExtension } from './x509-builder.ts'

// CPU vendor and cloud provider for tests: their certificate authorities, with roots of their own, and devices that make
// evidence in the true formats. Every field can be set, so that faults can be made by whoever asks for them.

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const rsaKey = (): KeyPair => generateKeyPairSync('rsa', { modulusLength: 2048 })
export const p384Key = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' })

/** Validity of whatever states none. */
export const TEST_VALIDITY = {
  notBefore: new Date('2024-01-01T00:00:00Z'),
  notAfter: new Date('2034-01-01T00:00:00Z'),
} as const
/** A time inside of it. */
export const TEST_TIME = new Date('2025-06-01T00:00:00Z')

export type TestTcb = Readonly<Partial<Record<TcbComponent, number>>>

export interface TestChip {
  /** 64 bytes (Turin: 8). */
  readonly id: Uint8Array
  readonly tcb: TestTcb
}

/** What an endorsement is made with beside the chip; each may be wrong. */
export interface EndorsementFaults extends Partial<
  Pick<CertificateFields, 'issuer' | 'notBefore' | 'notAfter'>
> {
  readonly subject?: string
  readonly productName?: string
  readonly signer?: KeyObject
  readonly extensions?: readonly TestExtension[]
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

  vlek(tcb: TestTcb, cspId = 'CN=cc-test-1.example.com', faults: EndorsementFaults = {}): TestEndorsement {
    return this.#endorse(
      { subject: 'SEV-VLEK', issuer: `SEV-VLEK-${this.product}`, signer: this.asvkKey.privateKey, ...faults },
      [...this.#tcbExtensions(tcb), { oid: `${AMD_ARC}.5`, value: derText(DER_TAG.ia5String, cspId) }],
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
    extensions: readonly TestExtension[],
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
        { oid: `${AMD_ARC}.1`, value: derInteger(this.product === 'Turin' ? 1 : 0) },
        { oid: `${AMD_ARC}.2`, value: derText(DER_TAG.ia5String, productName) },
        ...extensions,
      ],
    }
    return { certificate: buildCertificate(fields, faults.signer, 'rsa-pss-sha384'), key }
  }

  #tcbExtensions(tcb: TestTcb): TestExtension[] {
    const reserved = this.product === 'Turin' ? [5, 6, 7] : [4, 5, 6, 7]
    const levels: readonly (readonly [number, number])[] = [
      [1, tcb.bootloader ?? 0],
      [2, tcb.tee ?? 0],
      [3, tcb.snp ?? 0],
      [8, tcb.microcode ?? 0],
      ...(this.product === 'Turin' ? [[9, tcb.fmc ?? 0] as const] : []),
      ...reserved.map((arc) => [arc, 0] as const),
    ]
    return levels.map(([arc, level]) => ({ oid: `${AMD_ARC}.3.${arc}`, value: derInteger(level) }))
  }
}

/** Fields of a report; those left out are those of a plain guest. Byte strings are hex. */
export interface TestReportFields {
  readonly version?: number
  readonly guestSvn?: number
  readonly policy?: bigint
  readonly familyId?: string
  readonly imageId?: string
  readonly vmpl?: number
  readonly signatureAlgo?: number
  readonly platformInfo?: bigint
  /** AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY. */
  readonly flags?: number
  readonly reportData?: string
  readonly measurement?: string
  readonly hostData?: string
  readonly idKeyDigest?: string
  readonly authorKeyDigest?: string
  /** Family, model, stepping. */
  readonly cpuid?: readonly [number, number, number]
  readonly committedTcb?: TestTcb
  readonly launchTcb?: TestTcb
}

/** SMT and the bit that has to be one. */
export const PLAIN_POLICY = 0x30000n
export const DEBUG_POLICY = 0xb0000n
export const FLAGS_VLEK = 0x04

const CPUID: Record<AmdProduct, readonly [number, number, number]> = {
  Milan: [0x19, 0x01, 0x01],
  Genoa: [0x19, 0x11, 0x01],
  Turin: [0x1a, 0x02, 0x01],
}

/** A report of the chip, signed. */
export function makeSnpReport(
  product: AmdProduct,
  chip: TestChip,
  signer: KeyObject,
  fields: TestReportFields = {},
): Uint8Array {
  const report = new Uint8Array(1184)
  const view = new DataView(report.buffer)
  const put = (offset: number, hex: string | undefined): void => {
    report.set(fromHex(hex ?? ''), offset)
  }
  const version = fields.version ?? 3
  view.setUint32(0x00, version, true)
  view.setUint32(0x04, fields.guestSvn ?? 0, true)
  view.setBigUint64(0x08, fields.policy ?? PLAIN_POLICY, true)
  put(0x10, fields.familyId)
  put(0x20, fields.imageId)
  view.setUint32(0x30, fields.vmpl ?? 0, true)
  view.setUint32(0x34, fields.signatureAlgo ?? 1, true)
  view.setBigUint64(0x40, fields.platformInfo ?? 0x25n, true)
  view.setUint32(0x48, fields.flags ?? 0, true)
  put(0x50, fields.reportData)
  put(0x90, fields.measurement)
  put(0xc0, fields.hostData)
  put(0xe0, fields.idKeyDigest)
  put(0x110, fields.authorKeyDigest)
  if (version >= 3) report.set(fields.cpuid ?? CPUID[product], 0x188)
  report.set(chip.id, 0x1a0)
  const tcbs = [
    [0x38, chip.tcb],
    [0x180, chip.tcb],
    [0x1e0, fields.committedTcb ?? chip.tcb],
    [0x1f0, fields.launchTcb ?? chip.tcb],
  ] as const
  for (const [offset, tcb] of tcbs) report.set(encodeTcb(product, tcb), offset)
  // Build, minor, major of current and committed firmware: 1.55.29.
  report.set([29, 55, 1], 0x1e8)
  report.set([29, 55, 1], 0x1ec)
  return signSnpReport(report, signer)
}

/** Signs a report anew, for example after it was changed. */
export function signSnpReport(report: Uint8Array, signer: KeyObject): Uint8Array {
  const signedReport = Uint8Array.from(report)
  const signature = sign('sha384', signedReport.subarray(0, 0x2a0), {
    key: signer,
    dsaEncoding: 'ieee-p1363',
  })
  signedReport.fill(0, 0x2a0)
  // Little-endian, in 72 bytes each.
  signedReport.set(Uint8Array.from(signature.subarray(0, 48)).reverse(), 0x2a0)
  signedReport.set(Uint8Array.from(signature.subarray(48)).reverse(), 0x2a0 + 72)
  return signedReport
}

function encodeTcb(product: AmdProduct, tcb: TestTcb): Uint8Array {
  const bytes = new Uint8Array(8)
  for (const component of ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const) {
    const offset = TCB_LAYOUT[product][component]
    if (offset !== undefined) bytes[offset] = tcb[component] ?? 0
  }
  return bytes
}

const TABLE_GUIDS = {
  VCEK: '63da758de6644564adc5f4b93be8accd',
  VLEK: 'a8074bc2a25a483eaae639c045a0b8a1',
  ASK: '4ab7b379bbac4fe4a02f05aef327c782',
  ARK: 'c0b406a4a803495297433fb6014cd0ae',
  CRL: '92f81bc358114d3d97ffd19f88dc67ea',
} as const

/** A certificate table, as `auxblob` gives it. */
export function makeCertificateTable(
  entries: readonly (readonly [keyof typeof TABLE_GUIDS, Uint8Array])[],
  guidOrder: 'text' | 'swapped' = 'text',
): Uint8Array {
  let offset = 24 * (entries.length + 1)
  const heads = entries.map(([name, bytes]) => {
    const head = new Uint8Array(24)
    const guid = fromHex(TABLE_GUIDS[name])
    if (guidOrder === 'swapped')
      for (const [from, to] of [
        [0, 4],
        [4, 6],
        [6, 8],
      ])
        guid.subarray(from, to).reverse()
    head.set(guid)
    new DataView(head.buffer).setUint32(16, offset, true)
    new DataView(head.buffer).setUint32(20, bytes.length, true)
    offset += bytes.length
    return head
  })
  return concatBytes(...heads, new Uint8Array(24), ...entries.map(([, bytes]) => bytes))
}

export function newChip(product: AmdProduct, tcb: TestTcb): TestChip {
  return { id: randomBytes(product === 'Turin' ? 8 : 64), tcb }
}

/** A COSE_Sign1 of ES384 (or what else the header says), without a tag. */
export function coseSign1(payload: Uint8Array, key: KeyObject, algorithm = -35): CborItem[] {
  const protectedBytes = cbor(new Map([[1, algorithm]]))
  const hash = algorithm === -7 ? 'sha256' : 'sha384'
  const signature = sign(hash, signedBytes({ protectedBytes, payload }), { key, dsaEncoding: 'ieee-p1363' })
  return [protectedBytes, new Map(), payload, Uint8Array.from(signature)]
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
      extensions: [keyUsageExtension(0x80)],
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
