/** Why the Coordinator refuses a request. The one closed list; each transport maps it to its own statuses. */
export const refusalCodes = [
  /** The request can't be read: wrong JSON, wrong encoding, wrong shape. */
  'request_malformed',
  /** The request, or what it would cause, is over a documented limit. */
  'limit_exceeded',
  /** The Coordinator is in a state in which it doesn't take this request. */
  'state_mismatch',
  /** No user or marble is known by the certificate of this connection. */
  'caller_unknown',
  /** The caller is known, and lacks the right. */
  'permission_denied',
  /** The manifest can't be read, or breaks a rule. */
  'manifest_invalid',
  /** An update breaks a rule of updates, though each manifest on its own is valid. */
  'update_invalid',
  /** No update is pending. */
  'update_missing',
  /** An update is pending, and must be completed or cancelled first. */
  'update_pending',
  /** A secret that was asked for, or that an upload names, is not in the manifest or not of the right kind. */
  'secret_invalid',
  /** A secret has no value yet. */
  'secret_unset',
  /** The manifest has no such marble type. */
  'marble_unknown',
  /** The marble's UUID can't be read, or is the nil UUID. */
  'uuid_invalid',
  /** The evidence is not genuine, or not bound to this connection. */
  'evidence_invalid',
  /** What vouches for the evidence can't be had now, so nothing can be said about it. */
  'collateral_unavailable',
  /** The evidence is genuine, but the manifest doesn't allow what it shows. */
  'policy_mismatch',
  /** All activations that the manifest grants to this marble type are spent. */
  'activations_exhausted',
  /** The certificate request can't be read, or its signature is wrong. */
  'csr_invalid',
  /** A placeholder fails on the values at hand. */
  'template_failed',
  /** The manifest doesn't switch this feature on. */
  'feature_disabled',
  /** A recovery secret or its signature is wrong. */
  'recovery_invalid',
  /** The state can't be made durable now. */
  'storage_unavailable',
  /** A defect of the Coordinator; the log has it whole. */
  'internal',
] as const

export type RefusalCode = (typeof refusalCodes)[number]
