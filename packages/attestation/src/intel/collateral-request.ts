import { toHex } from '../core/encoding.ts'
import { decoding } from '../core/errors.ts'
import { certificatesInQuote } from './certification.ts'
import { isPckCertificate, parsePckExtensions } from './pck.ts'
import type { Quote } from './quote.ts'

/** What to ask a provisioning service for, so that a quote can be verified. Hex is lower case. */
export interface CollateralRequest {
  readonly tee: 'SGX' | 'TDX'
  /** For TCB info, and which CA's revocation list. Undefined when the quote has no PCK certificate inside. */
  readonly platform: { readonly fmspc: string; readonly ca: 'platform' | 'processor' } | undefined
  /** For the PCK certificate. Undefined when the quote has it inside. */
  readonly pckCertificate:
    | {
        readonly qeId: string
        /** Undefined when the quote has the PPID in clear. */
        readonly encryptedPpid: string | undefined
        readonly cpuSvn: string
        readonly pceSvn: number
        readonly pceId: string
      }
    | undefined
}

/** Bytes of the header's user data that are the QE id (DCAP quote library reference, "User Data"). */
const QE_ID_LENGTH = 16

/**
 * Which collateral a quote needs. Nothing of the quote is verified here; a wrong answer only leads to collateral that doesn't
 * fit.
 *
 * @throws EvidenceInvalid `pck-chain` or `pck-certificate` when the PCK certificate in the quote can't be read
 */
export function collateralRequest(quote: Quote): CollateralRequest {
  const { certification, header } = quote
  if (certification.form === 'ppid') {
    const { bytes, ppid, cpuSvn, pceSvn, pceId } = certification
    const rest = bytes.subarray(0, bytes.length - cpuSvn.length - pceId.length - 2)
    return {
      tee: header.teeType,
      platform: undefined,
      pckCertificate: {
        qeId: toHex(header.userData.subarray(0, QE_ID_LENGTH)),
        encryptedPpid: ppid === 'cleartext' ? undefined : toHex(rest),
        cpuSvn: toHex(cpuSvn),
        pceSvn,
        pceId: toHex(pceId),
      },
    }
  }
  const pck = certificatesInQuote(certification).find(isPckCertificate)
  const fmspc = pck && decoding('pck-certificate', 'the PCK certificate', () => parsePckExtensions(pck).fmspc)
  const ca = pck?.issuerCommonName?.includes('Platform') ? 'platform' : 'processor'
  return { tee: header.teeType, platform: fmspc && { fmspc: toHex(fmspc), ca }, pckCertificate: undefined }
}
