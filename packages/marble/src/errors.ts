/** Why a marble can't start, or can't trust its peer. Closed: {@link exitCodeOf} and callers switch over it. */
export type MarbleErrorCode =
  /** A setting (environment variable or option) is missing or can't be read. */
  | 'configuration_invalid'
  /** The UUID file holds no UUID, or can't be read or made. */
  | 'uuid_unusable'
  /** A TEE is there (or was asked for), and its evidence can't be had. */
  | 'evidence_unavailable'
  /** The Coordinator can't be reached or isn't ready, and the time for retries is over. */
  | 'coordinator_unavailable'
  /** The Coordinator answered that it won't activate this marble, or what answers is no Coordinator. */
  | 'activation_refused'
  /** What the Coordinator granted can't be applied here: a file, a variable, an argument. */
  | 'grant_inapplicable'
  /** The manifest asks for transparent TLS, which `taw run` can't give. */
  | 'ttls_unsupported'
  /** The application's executable doesn't exist. */
  | 'executable_missing'
  /** The application's executable exists, and the kernel would refuse to run it. */
  | 'executable_unusable'
  /** The caller's signal ended the activation. */
  | 'interrupted'
  /** The environment holds no marble credentials, or they don't belong together. */
  | 'credentials_invalid'
  /** The peer of a TLS connection isn't a marble that is allowed here. */
  | 'peer_unauthorized'

/** Every failure of this package that has a cause outside of it. The message never holds a secret value. */
export class MarbleError extends Error {
  override readonly name = 'MarbleError'
  readonly code: MarbleErrorCode

  /** @param message what was being done, what is, what should be, and what to do */
  constructor(code: MarbleErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The system's code of an error (`ENOENT`, `ECONNREFUSED` …), or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** One line that says what happened, from anything that was thrown. */
export function reasonOf(error: unknown): string {
  if (error instanceof MarbleError) return error.message
  const text = error instanceof Error ? error.message : String(error)
  const code = systemCodeOf(error)
  if (text === '') return code ?? 'unknown error'
  return code === undefined || text.includes(code) ? text : `${text} (${code})`
}

/** Text from outside, fit for one log line: control characters replaced, cut at `limit` characters. */
export function oneLine(text: string, limit = 2000): string {
  const flat = text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
  return flat.length > limit ? `${flat.slice(0, limit)}…` : flat
}
