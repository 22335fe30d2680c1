/**
 * What a manifest may be at most. Anyone may send one to a Coordinator that has none yet, so every limit is looked
 * at before the work that it bounds.
 */
export const manifestLimits = {
  /**
   * Bytes of the manifest as uploaded. Real ones have some kilobytes; files that they carry make them larger. In
   * base64 it must fit the client API's request body (`../limits.ts`).
   */
  manifestBytes: 24 * 1024 * 1024,
  /** Arrays and objects within each other. The limit of Go's own decoder, for which users' manifests were written. */
  depth: 10_000,
  /** JSON values of all kinds together; bounds the memory of the parsed document to some hundred megabytes. */
  values: 1_000_000,
  secrets: 100_000,
  marbles: 10_000,
  packages: 10_000,
  users: 10_000,
  roles: 10_000,
  tlsTags: 10_000,
  infrastructures: 10_000,
  /** Shamir shares have a one-byte x coordinate other than 0 (spec/recovery.md), so 255 is all there can be. */
  recoveryKeys: 255,
  /** Values in `Files` and `Env` of all marbles together. */
  parameterValues: 100_000,
  /** Bytes of all templates together, each marble's counted. */
  templateBytes: 8 * 1024 * 1024,
  /** Milliseconds for rendering all templates with stand-ins; each has a budget of steps of its own besides. */
  dryRunMs: 5000,
  /** Characters of a certificate or public key in PEM. */
  pemCharacters: 64 * 1024,
  /** Problems and warnings that are kept; further ones are only counted. */
  problemsKept: 1000,
  /** Problems that the message of a refusal lists. */
  problemsShown: 50,
} as const
