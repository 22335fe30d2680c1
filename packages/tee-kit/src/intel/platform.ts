import { randomBytes } from 'node:crypto'
import type { KeyPair } from '../encoding/x509.ts'
import { pem } from '../encoding/x509.ts'
import { p256Key } from './authorities.ts'
import type { IntelAuthorities, PckCa } from './authorities.ts'
import { TDX_MICROCODE_SVN, TDX_MODULE_SVN, TDX_MODULE_VERSION } from './documents.ts'
import { platformTcb } from './platform-tcb.ts'
import type { PlatformTcb, PlatformTcbStatus } from './platform-tcb.ts'
import { QuotingEnclave } from './quote.ts'
import type { QuoteOptions } from './quote.ts'
import { bodyDescriptor, sgxReport, tdReport } from './reports.ts'
import type { SgxReportFields, TdReportFields } from './reports.ts'
import { cpuSvnOf, sgxExtension } from './sgx-extension.ts'

export interface PlatformOptions {
  /** Hex, 6 bytes. */
  readonly fmspc?: string
  /** Hex, 2 bytes. */
  readonly pceId?: string
  readonly ca?: PckCa
  /** How up to date the platform is in the vendor's judgement; `Unknown`: older than all that it judges. */
  readonly tcbStatus?: PlatformTcbStatus | 'Unknown'
}

/** Identity of the enclave that a quote is about. Hex. */
export interface SgxQuoteOptions extends SgxReportFields, QuoteOptions {}

export interface TdxQuoteOptions extends TdReportFields, QuoteOptions {
  /** Default 4. Version 5 has a body of TDX 1.5 unless `generation` says otherwise; version 4 always one of 1.0. */
  readonly version?: 4 | 5
  readonly generation?: '1.0' | '1.5'
}

/** A machine with SGX and TDX: its PCK key and certificate, and its quoting enclave. */
export class IntelPlatform {
  readonly fmspc: string
  readonly pceId: string
  readonly ca: PckCa
  /** Hex, 16 bytes. */
  readonly ppid = randomBytes(16).toString('hex')
  readonly tcb: PlatformTcb
  /** DER. */
  readonly pckCertificate: Buffer
  /** DER: PCK certificate, PCK CA, root. */
  readonly pckChain: readonly Buffer[]
  readonly #quotingEnclave: QuotingEnclave

  constructor(authorities: IntelAuthorities, now: Date, options: PlatformOptions) {
    this.fmspc = options.fmspc ?? '00906ed50000'
    this.pceId = options.pceId ?? '0000'
    this.ca = options.ca ?? 'platform'
    this.tcb = platformTcb(options.tcbStatus ?? 'UpToDate')
    const pckKey: KeyPair = p256Key()
    const extension = sgxExtension({
      ...this.tcb,
      ppid: this.ppid,
      pceId: this.pceId,
      fmspc: this.fmspc,
      ca: this.ca,
      platformInstanceId: randomBytes(16).toString('hex'),
    })
    const lastYear = new Date(now)
    lastYear.setUTCFullYear(lastYear.getUTCFullYear() - 1)
    this.pckCertificate = authorities.issuePck(this.ca, pckKey.publicKey, lastYear, extension)
    this.pckChain = [
      this.pckCertificate,
      authorities.pckCas[this.ca].certificate,
      authorities.root.certificate,
    ]
    this.#quotingEnclave = new QuotingEnclave({
      pckKey,
      pckChain: this.pckChain,
      cpuSvn: cpuSvnOf(this.tcb),
      pceSvn: this.tcb.pceSvn,
      pceId: this.pceId,
    })
  }

  /** Hex, 16 bytes; in the header of each quote. */
  get qeId(): string {
    return this.#quotingEnclave.id.toString('hex')
  }

  /** Hex, 384 bytes; in quotes that only name their platform. */
  get encryptedPpid(): string {
    return this.#quotingEnclave.encryptedPpid.toString('hex')
  }

  /** Hex, 16 bytes. */
  get cpuSvn(): string {
    return cpuSvnOf(this.tcb).toString('hex')
  }

  get pckChainPem(): string {
    return pem(...this.pckChain)
  }

  /** Version 3, as DCAP libraries and Gramine give it. */
  quoteSgx({ qe, certification, faults, trailing, ...report }: SgxQuoteOptions = {}): Buffer {
    const body = sgxReport({ cpuSvn: this.cpuSvn, ...report })
    return this.#quotingEnclave.sgxQuote(body, { qe, certification, faults, trailing })
  }

  /** Version 4 or 5, as the kernel's TSM reports give it. */
  quoteTdx(options: TdxQuoteOptions = {}): Buffer {
    const { qe, certification, faults, trailing, version = 4, generation, ...report } = options
    const body = tdReport(
      { teeTcbSvn: CURRENT_TEE_TCB_SVN, ...report },
      version === 4 ? '1.0' : (generation ?? '1.5'),
    )
    const described = version === 5 ? Buffer.concat([bodyDescriptor(body), body]) : body
    return this.#quotingEnclave.tdxQuote(version, described, { qe, certification, faults, trailing })
  }
}

const teeTcbSvn = (moduleSvn: number): string =>
  Buffer.from([moduleSvn, TDX_MODULE_VERSION, TDX_MICROCODE_SVN]).toString('hex')
const CURRENT_TEE_TCB_SVN = teeTcbSvn(TDX_MODULE_SVN.current)
/** TEE_TCB_SVN of a machine whose TDX module is out of date. */
export const OUTDATED_TEE_TCB_SVN = teeTcbSvn(TDX_MODULE_SVN.outdated)
