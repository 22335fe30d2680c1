/** Why a request to a Coordinator, or its verification, came to nothing. */
export type ClientErrorCode =
  /** The text is not `HOST:PORT`. */
  | 'address_invalid'
  /** The connection could not be made, broke off, or timed out. */
  | 'connection_failed'
  /** The server of this connection is not the one that was verified or pinned. */
  | 'certificate_mismatch'
  /** A certificate chain is no chain of a Coordinator. */
  | 'chain_invalid'
  /** The Coordinator gave no quote: it runs in simulation. */
  | 'quote_missing'
  /** There is a quote, and nothing was given to verify it with. */
  | 'attestation_unavailable'
  /** The Coordinator's evidence is not genuine, or not bound to its certificate and the nonce. */
  | 'evidence_invalid'
  /** The Coordinator's evidence is genuine, and not what the policy wants. */
  | 'policy_mismatch'
  /** What vouches for the Coordinator's evidence can't be had now. */
  | 'collateral_unavailable'
  /** The manifest is not the one that the Coordinator's fingerprint or signature is of. */
  | 'manifest_inauthentic'
  /** What the Coordinator must be (era config, accepted statuses) can't be read. */
  | 'policy_invalid'
  /** The audit log does not follow from itself, or lacks an entry that was known. */
  | 'audit_inauthentic'
  /** The certificate or key of the user can't be used. */
  | 'identity_invalid'
  /** The answer is too large, or has not the shape of a Coordinator's answer. */
  | 'answer_invalid'
  /** The Coordinator refused; see {@link CoordinatorRefusal}. */
  | 'refused'

/** Every error that this library throws on purpose. Messages hold no secret values. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The Coordinator understood the request and refused it. */
export class CoordinatorRefusal extends ClientError {
  override readonly name = 'CoordinatorRefusal'
  /** HTTP status of the answer. */
  readonly httpStatus: number
  /** The Coordinator's own words, without control characters; empty if it gave none. */
  readonly serverMessage: string

  constructor(doing: string, httpStatus: number, serverMessage: string) {
    super(
      'refused',
      `${doing}: the Coordinator refuses: ${serverMessage || 'no reason given'} (HTTP ${httpStatus})`,
    )
    this.httpStatus = httpStatus
    this.serverMessage = serverMessage
  }
}

/**
 * Text of a server that nothing may be assumed about, fit for a terminal: control characters (ANSI sequences begin
 * with one) are replaced, line breaks kept.
 */
export function printable(text: string): string {
  // C0 but for the line feed, DEL and C1 (ECMA-48), and the Unicode marks that reorder what is shown (UAX #9).
  return text.replaceAll(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}
