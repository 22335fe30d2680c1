export type EvidenceErrorCode =
  /** No TEE is there: neither Gramine's folder nor the kernel's. Whether to go on without is for the caller to say. */
  | 'no_tee'
  /** A TEE is there (or was asked for by name), but evidence can't be had. Never a reason to go on without. */
  | 'tee_unusable'

/** Why there is no evidence, and what to do about it. */
export class EvidenceUnavailable extends Error {
  override readonly name = 'EvidenceUnavailable'
  readonly code: EvidenceErrorCode

  constructor(code: EvidenceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The system's name of an error, for example `ENOENT`. */
export const systemCodeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
