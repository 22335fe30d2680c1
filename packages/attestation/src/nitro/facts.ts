import { timeText } from '../core/chain.ts'
import { toHex } from '../core/encoding.ts'
import type { NitroDocument, NitroMessage } from './document.ts'
import type { NitroClaims } from './verify.ts'

/**
 * What stands in a document, under AWS's names, for people and tools that look into it. Byte fields are lower-case hex.
 * Nothing of it is verified.
 */
export function nitroFacts({ cose, document, cabundle }: NitroMessage) {
  return {
    cose_tag18: cose.tagged,
    protected: toHex(cose.protectedBytes),
    ...documentFacts(document),
    sig_len: cose.signature.length,
    chain_len: cabundle.length + 1,
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
