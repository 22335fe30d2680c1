import { concatBytes } from '../core/bytes.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { TPM_HASH_LENGTH } from './tpm-quote.ts'
import type { TpmHash, TpmQuote } from './tpm-quote.ts'

/** PCRs of a bank. */
const ALL_PCRS = 24
const CHECK = 'pcr-digest'

/**
 * The values of the quoted PCRs, lower-case hex by index. Values that the quote doesn't select are left out, because
 * nothing vouches for them.
 *
 * @param given as many values as the quote selects, or all 24 of the bank
 * @param hash of the quote's digest
 * @throws EvidenceInvalid `pcr-digest` when they are not the quoted values
 */
export async function quotedPcrs(
  crypto: CryptoPort,
  quote: Pick<TpmQuote, 'pcrSelection' | 'pcrDigest'>,
  given: readonly Uint8Array[],
  hash: TpmHash,
): Promise<Readonly<Record<string, string>>> {
  const { bank, indexes } = quote.pcrSelection
  if (given.length !== indexes.length && given.length !== ALL_PCRS) {
    throw mismatch('their number is not that of the selection', String(indexes.length), String(given.length))
  }
  const values =
    given.length === indexes.length ? given : indexes.map((index) => given[index] ?? new Uint8Array(0))
  const length = TPM_HASH_LENGTH[bank]
  const wrong = values.find((value) => value.length !== length)
  if (wrong) throw mismatch(`a value is not of the bank ${bank}`, `${length} bytes`, `${wrong.length} bytes`)

  const all = concatBytes(...values)
  const digest = toHex(hash === 'SHA-256' ? await crypto.sha256(all) : await crypto.sha384(all))
  if (digest !== quote.pcrDigest) throw mismatch('they are not the quoted ones', quote.pcrDigest, digest)
  return Object.fromEntries(indexes.map((index, place) => [index, toHex(values[place] ?? new Uint8Array(0))]))
}

function mismatch(problem: string, expected: string, found: string): EvidenceInvalid {
  return new EvidenceInvalid(CHECK, {
    message: `comparing the PCRs with the TPM quote: ${problem}`,
    expected,
    found,
    remedy: 'read the PCRs and make the quote in one go, without anything being measured in between',
  })
}
