import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { lengthPrefixed, u16, u32, withOneBitFlipped } from '../encoding/bytes.ts'
import { pem } from '../encoding/x509.ts'
import type { KeyPair } from '../encoding/x509.ts'
import { QE_ISVPRODID, QE_ISVSVN, QE_MRSIGNER } from './documents.ts'
import type { Tee } from './documents.ts'
import { sgxReport } from './reports.ts'
import type { SgxReportFields } from './reports.ts'

// The quoting enclave of one platform (Intel SGX ECDSA QuoteLibReference, appendix A; TDX DCAP Quoting Library API, A.3).

/** What can be wrong with the signatures of a quote; the rest of it is as it should be. */
export type QuoteFault =
  /** The body was changed after it was signed. */
  | 'altered-body'
  /** Another attestation key signed. */
  | 'wrong-signature'
  /** The QE report was signed by a key that the PCK certificate isn't for. */
  | 'wrong-qe-signature'
  /** The QE report vouches for another attestation key. */
  | 'wrong-key-binding'

export interface QuoteOptions {
  /** Fields of the quoting enclave's own report, where they are to differ from Intel's. */
  readonly qe?: SgxReportFields | undefined
  /** `ppid`: the quote only names its platform, and the PCK certificate is for the verifier to find. */
  readonly certification?: 'pck-chain' | 'ppid' | undefined
  readonly faults?: readonly QuoteFault[] | undefined
  /** Bytes after the quote, as from services that hand out a larger buffer. */
  readonly trailing?: Uint8Array | undefined
}

/** What quoting needs from the platform. */
export interface QuotingPlatform {
  readonly pckKey: KeyPair
  /** DER: PCK certificate, PCK CA, root. */
  readonly pckChain: readonly Uint8Array[]
  readonly cpuSvn: Buffer
  readonly pceSvn: number
  /** Hex, 2 bytes. */
  readonly pceId: string
}

/** QE authentication data of Intel's quoting enclaves: 32 bytes, 00 to 1f. */
const AUTHENTICATION_DATA = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
/** Intel's QE vendor id. */
const VENDOR_ID = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex')

export class QuotingEnclave {
  readonly #platform: QuotingPlatform
  readonly #attestationKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  /** 16 bytes; PCS and PCCS know platforms by it. */
  readonly id = randomBytes(16)
  /** PPID under RSA-3072, which only Intel can decrypt. The kit's Intel knows its platforms by it. */
  readonly encryptedPpid = randomBytes(384)

  constructor(platform: QuotingPlatform) {
    this.#platform = platform
  }

  /** An SGX quote (version 3) is header, body, signature data. */
  sgxQuote(body: Uint8Array, options: QuoteOptions): Buffer {
    // Version 3 has the SVNs of QE and PCE where later ones have zeros.
    const svns = Buffer.concat([u16(QE_ISVSVN.current), u16(this.#platform.pceSvn)])
    return this.#quote(Buffer.concat([this.#header(3, 0, svns), body]), 'SGX', options)
  }

  /**
   * An SGX quote as versions 4 and 5 have it.
   *
   * @param body with its descriptor in version 5
   * @param teeType 0 means SGX; others are for wrong quotes
   */
  laterSgxQuote(version: 4 | 5, body: Uint8Array, options: QuoteOptions, teeType = 0): Buffer {
    return this.#quote(Buffer.concat([this.#header(version, teeType, u32(0)), body]), 'SGX', options)
  }

  /** @param body with its descriptor in version 5 */
  tdxQuote(version: 4 | 5, body: Uint8Array, options: QuoteOptions): Buffer {
    return this.#quote(Buffer.concat([this.#header(version, 0x81, u32(0)), body]), 'TDX', options)
  }

  /** Version, key type (2: ECDSA P-256), TEE type, SVNs, QE vendor, user data that begins with the QE's id; 48 bytes. */
  #header(version: number, teeType: number, svns: Uint8Array): Buffer {
    return Buffer.concat([u16(version), u16(2), u32(teeType), svns, VENDOR_ID, this.id, Buffer.alloc(4)])
  }

  #quote(signedPart: Buffer, tee: Tee, options: QuoteOptions): Buffer {
    const has = (fault: QuoteFault): boolean => options.faults?.includes(fault) ?? false
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = has('wrong-signature') ? other.privateKey : this.#attestationKey.privateKey
    const publicPoint = pointOf(this.#attestationKey.publicKey)
    const vouchedPoint = has('wrong-key-binding') ? pointOf(other.publicKey) : publicPoint
    const qeReport = sgxReport({
      cpuSvn: this.#platform.cpuSvn.toString('hex'),
      mrSigner: QE_MRSIGNER[tee],
      mrEnclave: 'c0'.repeat(32),
      isvProdId: QE_ISVPRODID[tee],
      isvSvn: QE_ISVSVN.current,
      attributes: '1500000000000000e700000000000000',
      reportData: createHash('sha256').update(vouchedPoint).update(AUTHENTICATION_DATA).digest(),
      ...options.qe,
    })
    const pckKey = has('wrong-qe-signature') ? other.privateKey : this.#platform.pckKey.privateKey
    const qePart = Buffer.concat([
      qeReport,
      rawSignature(qeReport, pckKey),
      u16(AUTHENTICATION_DATA.length),
      AUTHENTICATION_DATA,
      this.#certification(options.certification ?? 'pck-chain'),
    ])
    // Later versions wrap what vouches for the key once more: type 6, QE report certification data.
    const isWrapped = signedPart.readUInt16LE(0) > 3
    const certification = !isWrapped ? qePart : Buffer.concat([u16(6), lengthPrefixed(qePart)])
    const signatureData = Buffer.concat([rawSignature(signedPart, key), publicPoint, certification])
    const sent = has('altered-body') ? withOneBitFlipped(signedPart, signedPart.length - 1) : signedPart
    return Buffer.concat([sent, lengthPrefixed(signatureData), options.trailing ?? Buffer.alloc(0)])
  }

  #certification(form: 'pck-chain' | 'ppid'): Buffer {
    const { pckChain, cpuSvn, pceSvn, pceId } = this.#platform
    if (form === 'pck-chain') {
      // Intel's library leaves the NUL of its C string in.
      return Buffer.concat([u16(5), lengthPrefixed(Buffer.from(`${pem(...pckChain)}\0`))])
    }
    // Type 3: the encrypted PPID, then CPUSVN, PCESVN, PCEID.
    const data = Buffer.concat([this.encryptedPpid, cpuSvn, u16(pceSvn), Buffer.from(pceId, 'hex')])
    return Buffer.concat([u16(3), lengthPrefixed(data)])
  }
}

/** x‖y, 64 bytes. */
function pointOf(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}

/** r‖s, 64 bytes. */
export const rawSignature = (data: Uint8Array, key: KeyObject): Buffer =>
  sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' })
