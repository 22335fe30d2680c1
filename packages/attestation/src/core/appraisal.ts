import { bytesEqual } from './bytes.ts'
import { PolicyMismatch } from './errors.ts'
import type { Check } from './result.ts'

/** What a comparison is about: the check's stable name, and the thing in words, for messages. */
export interface Appraised {
  /** Kebab case, for example `measurement`. */
  readonly name: string
  /** For example `the launch measurement`. */
  readonly what: string
  /** What a user can do when it doesn't match. */
  readonly remedy: string
}

/**
 * Compares verified claims with an appraisal policy, one field after the other, and records it. A field that the policy
 * leaves out (undefined) is not compared and not recorded; an empty list allows nothing.
 */
export class Appraisal {
  readonly #list: Check[]

  /** @param before comparisons that were made already, and passed */
  constructor(before: readonly Check[] = []) {
    this.#list = [...before]
  }

  get checks(): readonly Check[] {
    return [...this.#list]
  }

  /** Texts that are compared without case: hex and names. */
  oneOf(field: Appraised, allowed: readonly string[] | undefined, found: string): void {
    if (allowed === undefined) return
    const matches = allowed.some((one) => one.toLowerCase() === found.toLowerCase())
    this.#record(
      field,
      matches,
      allowed.length === 0 ? 'nothing (the list is empty)' : allowed.join(' or '),
      found,
    )
  }

  numberIn(field: Appraised, allowed: readonly number[] | undefined, found: number): void {
    this.oneOf(field, allowed?.map(String), String(found))
  }

  atLeast(field: Appraised, minimum: number | undefined, found: number): void {
    if (minimum === undefined) return
    // Written so that NaN fails.
    this.#record(field, found >= minimum, `at least ${minimum}`, String(found))
  }

  /** @param required what the flag has to be; undefined when either will do */
  flag(field: Appraised, required: boolean | undefined, found: boolean): void {
    if (required === undefined) return
    this.#record(field, required === found, yesNo(required), yesNo(found))
  }

  /** @param required DER of the certificate that the evidence's chain has to end at */
  rootCa(required: Uint8Array | undefined, found: Uint8Array): void {
    if (required === undefined) return
    const field = {
      name: 'root-ca',
      what: 'the root certificate',
      remedy: 'use a platform that the demanded root certifies, or change the policy',
    }
    const expected = `a certificate of ${required.length} bytes`
    this.#record(field, bytesEqual(required, found), expected, 'another one')
  }

  /** Any other comparison, already made. */
  holds(field: Appraised, matches: boolean, values: { expected: string; found: string }): void {
    this.#record(field, matches, values.expected, values.found)
  }

  #record(field: Appraised, matches: boolean, expected: string, found: string): void {
    if (!matches) {
      const message = `${field.what} is not what the policy allows`
      throw new PolicyMismatch(field.name, { message, expected, found, remedy: field.remedy }, this.#list)
    }
    this.#list.push({ name: field.name, outcome: 'passed', expected, found })
  }
}

const yesNo = (value: boolean): string => (value ? 'yes' : 'no')
