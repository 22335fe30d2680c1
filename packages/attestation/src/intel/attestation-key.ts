import { bytesEqual, concatBytes, isAllZero } from '../core/bytes.ts'
import { nameOf } from '../core/chain.ts'
import type { Checks } from '../core/checks.ts'
import { contentKey } from '../core/content-key.ts'
import type { CryptoPort, PublicKey } from '../core/crypto.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { ecSpki } from '../core/spki.ts'
import type { Certificate } from '../core/x509.ts'
import { certifyPck } from './certification.ts'
import type { Quote } from './quote.ts'
import type { CertifiedKey, CertifiedPck, Trust } from './trust.ts'

/**
 * The key that signed a quote, once it is certain that a quoting enclave on a certified platform made it: the PCK signed the
 * enclave's report, and the report vouches for the key. Whether that enclave is Intel's, its identity says (tcb-evaluation).
 *
 * @param certificates where a PCK certificate is looked for when the quote has none inside
 */
export async function certifyAttestationKey(
  quote: Quote,
  certificates: readonly Certificate[],
  trust: Trust,
  checks: Checks,
): Promise<CertifiedKey> {
  const certify = async (): Promise<CertifiedKey> => {
    const pck = await certifyPck(quote, certificates, trust)
    await requireQeReport(quote, pck, trust.crypto)
    return { pck, attestationKey: await requireAttestationKey(quote, trust.crypto) }
  }
  const certified =
    quote.certification.form === 'pck-chain'
      ? await trust.attestationKeys.getOrMake(await keyOf(quote, trust.crypto), certify)
      : await certify()
  const { chain } = certified.pck
  const found = trust.textOf(chain, () => chain.certificates.map(nameOf).join(', '))
  checks.passed('pck-chain', { found })
  checks.passed('qe-report-signature')
  checks.passed('attestation-key-binding')
  return certified
}

const keyOf = (quote: Quote, crypto: CryptoPort): Promise<string> =>
  contentKey(crypto, [
    quote.attestationKey,
    quote.qeReportBytes,
    quote.qeReportSignature,
    quote.qeAuthData,
    quote.certification.bytes,
  ])

async function requireQeReport(quote: Quote, pck: CertifiedPck, crypto: CryptoPort): Promise<void> {
  if (await crypto.verify(pck.key, quote.qeReportBytes, quote.qeReportSignature)) return
  throw new EvidenceInvalid('qe-report-signature', {
    message: "the signature of the quoting enclave's report by the PCK is wrong",
    expected: 'a signature by the key of the PCK certificate',
    found: 'another one',
    remedy: 'the quote was altered, or its PCK certificate is of another platform',
  })
}

/** The QE vouches for the attestation key by the hash of the key and its authentication data in its report data. */
async function requireAttestationKey(quote: Quote, crypto: CryptoPort): Promise<PublicKey> {
  const hash = await crypto.sha256(concatBytes(quote.attestationKey, quote.qeAuthData))
  const { reportData } = quote.qeReport
  if (!bytesEqual(reportData.subarray(0, 32), hash) || !isAllZero(reportData.subarray(32))) {
    throw new EvidenceInvalid('attestation-key-binding', {
      message: "the attestation key is not the one that the quoting enclave's report vouches for",
      expected: `${toHex(hash)} and 32 zero bytes`,
      found: toHex(reportData),
      remedy: 'the quote was altered',
    })
  }
  const key = await crypto.importKey('ecdsa-p256-sha256', ecSpki('P-256', quote.attestationKey))
  if (key) return key
  throw new EvidenceInvalid('attestation-key-binding', {
    message: 'the attestation key is not a point of the curve P-256',
    expected: 'a P-256 key',
    found: toHex(quote.attestationKey),
  })
}
