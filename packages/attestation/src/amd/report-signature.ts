import { ByteReader, isAllZero } from '../core/bytes.ts'
import type { CryptoPort, PublicKey, SignatureScheme } from '../core/crypto.ts'
import { decoding, malformed } from '../core/errors.ts'
import type { SnpEndorsement } from './endorsement.ts'

/** What the signature is over: bytes 0 to 0x29f. */
export const SIGNED_LENGTH = 0x2a0

/** R and S are little-endian numbers in 72 bytes each (AMD 56860, ECDSA P-384 with SHA-384 signature); P-384 fills 48 of them. */
const COMPONENT_LENGTH = 72
const COORDINATE_LENGTH = 48

/**
 * The report's signature as r‖s, big-endian. Nothing signs the rest of the field, so it must be zero: else one report
 * could be passed on in many forms.
 *
 * @param bytes a whole report
 * @throws EvidenceInvalid `report-signature`
 */
function reportSignature(bytes: Uint8Array): Uint8Array {
  return decoding('report-signature', 'the signature of the SEV-SNP report', () => {
    const field = new ByteReader(bytes.subarray(SIGNED_LENGTH))
    const signature = new Uint8Array(2 * COORDINATE_LENGTH)
    for (const [index, name] of ['R', 'S'].entries()) {
      const component = field.take(COMPONENT_LENGTH, name)
      if (!isAllZero(component.subarray(COORDINATE_LENGTH))) {
        throw malformed(`${name} is too large`, '384 bits, little-endian', 'bits beyond them')
      }
      signature.set(component.slice(0, COORDINATE_LENGTH).reverse(), index * COORDINATE_LENGTH)
    }
    if (!isAllZero(field.rest())) {
      throw malformed('the bytes after R and S are not zero', `${field.remaining} zero bytes`, 'other bytes')
    }
    return signature
  })
}

/** VCEK and VLEK are keys of P-384. */
export const REPORT_SCHEME: SignatureScheme = 'ecdsa-p384-sha384'

/**
 * Whether the key made the report's signature.
 *
 * @param report a whole report
 * @throws EvidenceInvalid `report-signature`, when the field can't be read
 */
export async function isReportSignedWith(
  crypto: CryptoPort,
  report: Uint8Array,
  key: PublicKey,
): Promise<boolean> {
  return crypto.verify(key, report.subarray(0, SIGNED_LENGTH), reportSignature(report))
}

/** Whether the certificate's key made the report's signature; says nothing about the certificate. */
export async function isReportSignedBy(
  crypto: CryptoPort,
  report: Uint8Array,
  endorsement: Pick<SnpEndorsement, 'certificate'>,
): Promise<boolean> {
  const key = await crypto.importKey(REPORT_SCHEME, endorsement.certificate.spki)
  return key !== undefined && (await isReportSignedWith(crypto, report, key))
}
