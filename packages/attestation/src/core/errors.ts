import type { Check } from './result.ts'

/** What an error says beside its check's name: a sentence, what should be, what is, and what a user can do. */
export interface ErrorDetail {
  message: string
  expected: string
  found: string
  remedy?: string | undefined
}

/** A check that failed, and all those before it. */
abstract class FailedCheck extends Error {
  /** Stable name of the check that failed, for example `quote-signature`; the same names as in `checks`. */
  readonly check: string
  readonly expected: string
  readonly found: string
  /** What a user can do about it. */
  readonly remedy: string | undefined
  /** Every check up to this one, in order; the last one is the one that failed. */
  readonly checks: readonly Check[]

  constructor(check: string, detail: ErrorDetail, checksBefore: readonly Check[] = []) {
    super(detail.message)
    this.check = check
    this.expected = detail.expected
    this.found = detail.found
    this.remedy = detail.remedy
    this.checks = [
      ...checksBefore,
      { name: check, outcome: 'failed', expected: detail.expected, found: detail.found },
    ]
  }
}

/**
 * The evidence, or the collateral that should vouch for it, is not genuine, not valid at the given time, or can't be
 * read. Nothing that it claims may be believed.
 */
export class EvidenceInvalid extends FailedCheck {
  override readonly name = 'EvidenceInvalid'
}

/** The evidence is genuine, but an appraisal policy doesn't allow what it shows. */
export class PolicyMismatch extends FailedCheck {
  override readonly name = 'PolicyMismatch'
}

/** All that an error says, as one sentence for people: what went wrong, in which check, and what to do. */
export const failureSentence = ({
  check,
  message,
  expected,
  found,
  remedy,
}: EvidenceInvalid | PolicyMismatch): string =>
  `${message} (check ${check}: expected ${expected}, found ${found})${remedy === undefined ? '' : `; ${remedy}`}`

/** The check's name of errors from the decoders, until {@link decoding} says what was being decoded. */
const UNPLACED = 'encoding'

/** An error of a decoder that doesn't know what its bytes are for. Callers wrap decoders in {@link decoding}. */
export function malformed(message: string, expected: string, found: string): EvidenceInvalid {
  return new EvidenceInvalid(UNPLACED, { message, expected, found })
}

/**
 * Runs a decoder, and gives its errors the name of the check and of the thing that was being read.
 *
 * @param what the thing, as it goes into the message, for example `PCK certificate`
 * @throws {@link EvidenceInvalid} with the given check
 */
export function decoding<T>(check: string, what: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof EvidenceInvalid) || error.check !== UNPLACED) throw error
    throw new EvidenceInvalid(check, {
      message: `reading ${what}: ${error.message}`,
      expected: error.expected,
      found: error.found,
      remedy: error.remedy,
    })
  }
}

/** For trying whether bytes are of some kind at all. */
export function unlessInvalid<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof EvidenceInvalid) return undefined
    throw error
  }
}
