import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { toUtf8 } from '../../packages/attestation/src/core/encoding.ts'
import { EvidenceInvalid } from '../../packages/attestation/src/core/errors.ts'
import { parseCertificate } from '../../packages/attestation/src/core/x509.ts'
import type { Certificate } from '../../packages/attestation/src/core/x509.ts'
import type { IntelCollateralParts } from '../../packages/attestation/src/intel/read-collateral.ts'
import { u16, u32 } from '../../packages/tee-kit/src/encoding/bytes.ts'
import { type Extension, keyUsage, pem } from '../../packages/tee-kit/src/encoding/x509.ts'
import type { Json } from '../../packages/tee-kit/src/intel/documents.ts'
import { QuotingEnclave, rawSignature } from '../../packages/tee-kit/src/intel/quote.ts'
import { bodyDescriptor, sgxReport, tdReport } from '../../packages/tee-kit/src/intel/reports.ts'
import type { SgxReportFields } from '../../packages/tee-kit/src/intel/reports.ts'
import { sgxExtension } from '../../packages/tee-kit/src/intel/sgx-extension.ts'
import { isvLevel, level } from './tcb-levels.ts'
import type { QuoteOptions, TdOptions } from './tcb-levels.ts'
import { authorityExtensions, buildCertificate, buildCrl } from './x509-builder.ts'

export { pem }

// Acts as Intel and as one of its platforms: a root, PCK and TCB signing certificates, TCB info, QE identity, revocation lists, a
// quoting enclave. Everything can be made wrong. The CAs sign with P-384, which Intel's don't; the formats are the same.

const ISSUED = new Date('2025-01-01T00:00:00Z')
const EXPIRES = new Date('2035-01-01T00:00:00Z')

export const FMSPC = '00906ea10000'
export const QE_MRSIGNER = '8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff'

export interface PlatformOptions {
  readonly fmspc?: string
  readonly pceId?: string
  readonly components?: readonly number[]
  readonly pceSvn?: number
  /** Common name of the certificate that signs TCB info and QE identity. */
  readonly signerName?: string
  readonly caName?: string
  readonly pckName?: string
  readonly pckExtensions?: readonly Extension[]
  /** Serial numbers on the root's list: 2 is the PCK CA, 4 the TCB signer. */
  readonly revokedByRoot?: readonly number[]
  /** Serial numbers on the PCK CA's list: 3 is the PCK certificate. */
  readonly revokedByCa?: readonly number[]
}

const newKey = (namedCurve: 'P-256' | 'P-384'): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve })

/** What an enclave's report says where a test says nothing. */
const usualReport: SgxReportFields = {
  cpuSvn: '02'.repeat(16),
  attributes: '05000000000000000700000000000000',
  mrEnclave: '11'.repeat(32),
  mrSigner: '22'.repeat(32),
  isvProdId: 3,
  isvSvn: 4,
}

export class IntelPlatform {
  readonly #rootKey = newKey('P-384')
  readonly #caKey = newKey('P-384')
  readonly #pckKey = newKey('P-256')
  readonly #signerKey = newKey('P-256')
  readonly #options: PlatformOptions
  readonly #quotingEnclave: QuotingEnclave
  readonly root: Uint8Array
  readonly ca: Uint8Array
  readonly pck: Uint8Array
  readonly signer: Uint8Array

  constructor(options: PlatformOptions = {}) {
    this.#options = options
    const caName = options.caName ?? 'Intel SGX PCK Platform CA'
    const root = 'Intel SGX Root CA'
    const dates = { notBefore: ISSUED, notAfter: EXPIRES }
    const issue = (
      fields: { serial: number; subject: string; publicKey: KeyObject; extensions: readonly Extension[] },
      issuer = root,
      key = this.#rootKey,
    ): Uint8Array => buildCertificate({ ...fields, ...dates, issuer }, key.privateKey, 'ecdsa-sha384')
    this.root = issue({
      serial: 1,
      subject: root,
      publicKey: this.#rootKey.publicKey,
      extensions: authorityExtensions(1),
    })
    this.ca = issue({
      serial: 2,
      subject: caName,
      publicKey: this.#caKey.publicKey,
      extensions: authorityExtensions(0),
    })
    this.pck = issue(
      {
        serial: 3,
        subject: options.pckName ?? 'Intel SGX PCK Certificate',
        publicKey: this.#pckKey.publicKey,
        extensions: [this.#sgxExtension(), keyUsage(0xc0), ...(options.pckExtensions ?? [])],
      },
      caName,
      this.#caKey,
    )
    this.signer = issue({
      serial: 4,
      subject: options.signerName ?? 'Intel SGX TCB Signing',
      publicKey: this.#signerKey.publicKey,
      extensions: [keyUsage(0xc0)],
    })
    this.#quotingEnclave = new QuotingEnclave({
      pckKey: this.#pckKey,
      pckChain: [this.pck, this.ca, this.root],
      cpuSvn: Buffer.alloc(16, 2),
      pceSvn: options.pceSvn ?? 13,
      pceId: options.pceId ?? '0000',
    })
  }

  /** Hex, 16 bytes: in each quote's header. */
  get qeId(): string {
    return this.#quotingEnclave.id.toString('hex')
  }

  /** Hex, 384 bytes: in quotes that only name their platform. */
  get encryptedPpid(): string {
    return this.#quotingEnclave.encryptedPpid.toString('hex')
  }

  get anchors(): readonly Certificate[] {
    return [parseCertificate(this.root)]
  }

  /** In the slots of a provisioning service's answers. */
  parts(changes: Partial<IntelCollateralParts> = {}, tee: 'SGX' | 'TDX' = 'SGX'): IntelCollateralParts {
    const signerChain = toUtf8(pem(this.signer, this.root))
    return {
      tcbInfo: this.signedTcbInfo(tee === 'SGX' ? this.sgxTcbInfo() : this.tdxTcbInfo()),
      tcbInfoIssuerChain: signerChain,
      qeIdentity: this.signedQeIdentity(this.qeIdentity(tee === 'SGX' ? {} : { id: 'TD_QE' })),
      qeIdentityIssuerChain: signerChain,
      pckCrl: this.pckCrl(),
      pckCrlIssuerChain: toUtf8(pem(this.ca, this.root)),
      rootCaCrl: this.rootCrl(),
      ...changes,
    }
  }

  rootCrl(dates: { thisUpdate?: Date; nextUpdate?: Date } = {}): Uint8Array {
    return buildCrl(
      {
        issuer: 'Intel SGX Root CA',
        thisUpdate: dates.thisUpdate ?? new Date('2025-06-01T00:00:00Z'),
        nextUpdate: dates.nextUpdate ?? new Date('2025-07-01T00:00:00Z'),
        revokedSerials: this.#options.revokedByRoot ?? [77],
      },
      this.#rootKey.privateKey,
      'ecdsa-sha384',
    )
  }

  /** A root CA's list that names others than the platform was made with. */
  rootCrlWith(revokedSerials: readonly number[], thisUpdate: Date): Uint8Array {
    const nextUpdate = new Date('2025-07-01T00:00:00Z')
    return buildCrl(
      { issuer: 'Intel SGX Root CA', thisUpdate, nextUpdate, revokedSerials },
      this.#rootKey.privateKey,
      'ecdsa-sha384',
    )
  }

  pckCrl(dates: { thisUpdate?: Date; nextUpdate?: Date } = {}, key: 'ca' | 'root' = 'ca'): Uint8Array {
    return buildCrl(
      {
        issuer: this.#options.caName ?? 'Intel SGX PCK Platform CA',
        thisUpdate: dates.thisUpdate ?? new Date('2025-06-01T00:00:00Z'),
        nextUpdate: dates.nextUpdate ?? new Date('2025-07-01T00:00:00Z'),
        revokedSerials: this.#options.revokedByCa ?? [77],
      },
      (key === 'ca' ? this.#caKey : this.#rootKey).privateKey,
      'ecdsa-sha384',
    )
  }

  sgxTcbInfo(changes: Record<string, Json> = {}): Record<string, Json> {
    return {
      id: 'SGX',
      version: 3,
      issueDate: '2025-06-01T00:00:00Z',
      nextUpdate: '2025-07-01T00:00:00Z',
      fmspc: FMSPC,
      pceId: '0000',
      tcbType: 0,
      tcbEvaluationDataNumber: 17,
      tcbLevels: [
        level([2], 13, 'UpToDate'),
        level([1], 11, 'OutOfDate', ['INTEL-SA-00002', 'INTEL-SA-00001']),
      ],
      ...changes,
    }
  }

  tdxTcbInfo(changes: Record<string, Json> = {}): Record<string, Json> {
    const module = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'ff'.repeat(8) }
    return this.sgxTcbInfo({
      id: 'TDX',
      tdxModule: module,
      tdxModuleIdentities: [
        {
          ...module,
          id: 'TDX_01',
          tcbLevels: [isvLevel(6, 'UpToDate'), isvLevel(4, 'OutOfDate', ['INTEL-SA-00003'])],
        },
      ],
      tcbLevels: [level([2], 13, 'UpToDate', [], [5, 0, 3]), level([1], 11, 'OutOfDate', [], [3, 0, 2])],
      ...changes,
    })
  }

  qeIdentity(changes: Record<string, Json> = {}): Record<string, Json> {
    return {
      id: 'QE',
      version: 2,
      issueDate: '2025-06-01T00:00:00Z',
      nextUpdate: '2025-07-01T00:00:00Z',
      tcbEvaluationDataNumber: 17,
      miscselect: '00000000',
      miscselectMask: 'FFFFFFFF',
      attributes: '11000000000000000000000000000000',
      attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
      mrsigner: QE_MRSIGNER.toUpperCase(),
      isvprodid: 1,
      tcbLevels: [isvLevel(8, 'UpToDate'), isvLevel(6, 'OutOfDate', ['INTEL-SA-00004'])],
      ...changes,
    }
  }

  /** @param key who signs: the TCB signer, or one who has no right to */
  signedTcbInfo(tcbInfo: Record<string, Json>, key: 'signer' | 'pck' = 'signer'): Uint8Array {
    return this.#signedDocument('tcbInfo', tcbInfo, key)
  }

  signedQeIdentity(identity: Record<string, Json>, key: 'signer' | 'pck' = 'signer'): Uint8Array {
    return this.#signedDocument('enclaveIdentity', identity, key)
  }

  sgxQuote({ report, qe, certification }: QuoteOptions = {}): Uint8Array {
    const body = sgxReport({ ...usualReport, ...report })
    return this.#quotingEnclave.sgxQuote(body, { qe: this.#qeReport(qe), certification })
  }

  /** An SGX quote as versions 4 and 5 of the format have it. */
  sgxQuoteOf(version: 4 | 5, bodyType = 1, teeType = 0): Uint8Array {
    const body = sgxReport({ reportData: new Uint8Array(64) })
    const lead = Buffer.concat(version === 5 ? [u16(bodyType), u32(body.length)] : [])
    return this.#quotingEnclave.laterSgxQuote(
      version,
      Buffer.concat([lead, body]),
      { qe: this.#qeReport() },
      teeType,
    )
  }

  /** Version 4, or version 5 with a body of TDX 1.5 when `teeTcbSvn2` is there. */
  tdxQuote({ qe, certification, rtmr3 = '44'.repeat(48), ...td }: QuoteOptions & TdOptions = {}): Uint8Array {
    const isExtended = td.teeTcbSvn2 !== undefined
    const fields = { teeTcbSvn: '05000300', mrSeam: '', xfam: '', mrTd: '33'.repeat(48), ...td }
    const body = tdReport({ ...fields, rtmrs: ['', '', '', rtmr3] }, isExtended ? '1.5' : '1.0')
    const described = isExtended ? Buffer.concat([bodyDescriptor(body), body]) : body
    return this.#quotingEnclave.tdxQuote(isExtended ? 5 : 4, described, {
      qe: this.#qeReport(qe),
      certification,
    })
  }

  /** One quoting enclave for both: its identity in the collateral is the same but for its id. */
  #qeReport(changes: SgxReportFields = {}): SgxReportFields {
    const attributes = '15000000000000000700000000000000'
    return {
      mrSigner: QE_MRSIGNER,
      mrEnclave: usualReport.mrEnclave ?? '',
      isvProdId: 1,
      attributes,
      ...changes,
    }
  }

  #signedDocument(name: string, document: Record<string, Json>, key: 'signer' | 'pck'): Uint8Array {
    const text = JSON.stringify(document)
    const { privateKey } = key === 'signer' ? this.#signerKey : this.#pckKey
    const signature = Buffer.from(rawSignature(toUtf8(text), privateKey)).toString('hex')
    return toUtf8(`{"${name}":${text},"signature":"${signature}"}`)
  }

  #sgxExtension(): Extension {
    const { components = [2], pceSvn = 13, fmspc = FMSPC, pceId = '0000' } = this.#options
    return sgxExtension({
      components: Array.from({ length: 16 }, (_, index) => components[index] ?? 0),
      pceSvn,
      ppid: 'aa'.repeat(16),
      pceId,
      fmspc,
      ca: 'processor',
      platformInstanceId: '',
    })
  }
}

/** What was refused, and how; for tests that look at more than the message. */
export async function evidenceRejection(action: () => unknown): Promise<EvidenceInvalid> {
  try {
    await action()
  } catch (error) {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    return error
  }
  return assert.fail('nothing was thrown')
}
