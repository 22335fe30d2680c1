import { isSignedBy, timeText } from '../core/chain.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { distinguishedName } from '../core/distinguished-name.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid, decoding } from '../core/errors.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import type { NitroDocument, NitroMessage } from './document.ts'
import type { NitroClaims } from './verify.ts'

/**
 * What stands in a document, under AWS's names, for people and tools that look into it. Byte fields are lower-case hex.
 * Nothing of it is verified.
 */
export function nitroFacts({ cose, document, keys, cabundle }: NitroMessage) {
  return {
    cose_tag18: cose.tagged,
    protected: toHex(cose.protectedBytes),
    keys,
    ...documentFacts(document),
    sig_len: cose.signature.length,
    chain_len: cabundle.length + 1,
  }
}

/** The document's certificates, which signatures among them are right, and when all are valid. Nothing else is verified. */
export async function nitroCertificateFacts({ certificate, cabundle }: NitroMessage, crypto: CryptoPort) {
  const parsed = readCertificates([...cabundle, certificate])
  if (parsed instanceof EvidenceInvalid) return { cert_err: parsed.message }
  const leaf = parsed.at(-1)
  if (!leaf) return {}
  const time = (instant: number): string => timeText(new Date(instant))
  return {
    chain_subjects: subjectsOf(parsed),
    chain_sigs_root_first: await Promise.all(
      parsed.map((one, index) => isSignedBy(crypto, one, parsed[index - 1] ?? one)),
    ),
    root_sha256: toHex(await crypto.sha256(cabundle[0] ?? new Uint8Array(0))),
    leaf_not_before: timeText(leaf.notBefore),
    leaf_not_after: timeText(leaf.notAfter),
    valid_from: time(Math.max(...parsed.map(({ notBefore }) => notBefore.getTime()))),
    valid_to: time(Math.min(...parsed.map(({ notAfter }) => notAfter.getTime()))),
  }
}

/** RFC 4514, the root first. */
const subjectsOf = (certificates: readonly Certificate[]): string[] =>
  decoding('certificate-chain', 'the subjects of the certificates', () =>
    certificates.map(({ subject }) => distinguishedName(subject)),
  )

function readCertificates(all: readonly Uint8Array[]): Certificate[] | EvidenceInvalid {
  try {
    return all.map(parseCertificate)
  } catch (error) {
    if (error instanceof EvidenceInvalid) return error
    throw error
  }
}

/** Verified claims as JSON, under the same names. */
export function nitroClaimsJson(claims: NitroClaims) {
  return {
    ...documentFacts(claims),
    verified_at: timeText(claims.verifiedAt),
    valid_until: timeText(claims.validUntil),
  }
}

function documentFacts(document: NitroDocument) {
  return {
    module_id: document.moduleId,
    digest: document.digest,
    timestamp_ms: document.timestamp,
    timestamp: timeText(new Date(document.timestamp)),
    pcrs: document.pcrs,
    public_key: document.publicKey ?? null,
    user_data: document.userData ?? null,
    nonce: document.nonce ?? null,
    debug_mode_pcrs_zero: document.debug,
  }
}
