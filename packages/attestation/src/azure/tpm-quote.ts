import { ByteReader } from '../core/bytes.ts'
import { toHex } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import type { SignatureScheme } from '../core/crypto.ts'

// TCG, "Trusted Platform Module Library, part 2: Structures" (1.59); numbers are big-endian.

/** TPM_GENERATED_VALUE: a restricted key signs nothing that starts so unless the TPM itself made it. */
export const MAGIC = 0xff544347
/** TPM_ST_ATTEST_QUOTE. */
export const ATTEST_QUOTE = 0x8018
/** TPM_ALG_ID. */
export const ALGORITHM = { sha256: 0x000b, sha384: 0x000c, rsassa: 0x0014, rsapss: 0x0016 } as const
/** A quote has 100 to 250 bytes; TPM2B_DATA and names have up to 66 each. */
const MAX_QUOTE_BYTES = 1024
/** PCRs of one bank (TCG, PC Client Platform TPM Profile): 24, which is a bitmap of three bytes. */
const MAX_BITMAP_BYTES = 4

export type TpmHash = 'SHA-256' | 'SHA-384'

/** Length of digests, and so of PCRs; bytes. */
export const TPM_HASH_LENGTH: Record<TpmHash, number> = { 'SHA-256': 32, 'SHA-384': 48 }

/** TPMS_ATTEST of a quote (with TPMS_QUOTE_INFO). Byte strings are lower-case hex. */
export interface TpmQuote {
  /** Name of the signing key. */
  readonly qualifiedSigner: string
  /** What the requester gave to be signed along; the nonce. */
  readonly extraData: string
  readonly clockInfo: {
    /** Milliseconds, as decimal digits. */
    readonly clock: string
    readonly resetCount: number
    readonly restartCount: number
    readonly safe: boolean
  }
  readonly firmwareVersion: string
  readonly pcrSelection: { readonly bank: TpmHash; readonly indexes: readonly number[] }
  readonly pcrDigest: string
}

/**
 * Reads the message of a TPM quote.
 *
 * @throws EvidenceInvalid `tpm-quote-format`
 */
export function parseTpmQuote(bytes: Uint8Array): TpmQuote {
  return decoding('tpm-quote-format', 'the TPM quote', () => {
    if (bytes.length > MAX_QUOTE_BYTES) {
      throw malformed('it is too large', `at most ${MAX_QUOTE_BYTES} bytes`, `${bytes.length} bytes`)
    }
    const reader = new ByteReader(bytes)
    const magic = reader.u32be('magic')
    if (magic !== MAGIC) throw malformed('it has another magic number', 'ff544347', magic.toString(16))
    const type = reader.u16be('type')
    if (type !== ATTEST_QUOTE) throw malformed('it is no quote', '8018', type.toString(16))
    const sized = (what: string): string => toHex(reader.take(reader.u16be(what), what))
    const quote = {
      qualifiedSigner: sized('qualifiedSigner'),
      extraData: sized('extraData'),
      clockInfo: {
        clock: String(reader.u64be('clock')),
        resetCount: reader.u32be('resetCount'),
        restartCount: reader.u32be('restartCount'),
        safe: reader.u8('safe') === 1,
      },
      firmwareVersion: toHex(reader.take(8, 'firmwareVersion')),
      pcrSelection: readSelection(reader),
      pcrDigest: sized('pcrDigest'),
    }
    reader.end('the TPM quote')
    return quote
  })
}

/** TPML_PCR_SELECTION with one bank. */
function readSelection(reader: ByteReader): TpmQuote['pcrSelection'] {
  const count = reader.u32be('number of PCR banks')
  if (count !== 1) throw malformed('it is about another number of PCR banks', '1', String(count))
  const bank = hashName(reader.u16be('PCR bank'), 'the PCR bank')
  const size = reader.u8('size of the PCR bitmap')
  if (size > MAX_BITMAP_BYTES) {
    throw malformed('its PCR bitmap is too large', `at most ${MAX_BITMAP_BYTES} bytes`, String(size))
  }
  const bitmap = reader.take(size, 'PCR bitmap')
  const indexes = Array.from({ length: 8 * size }, (_, index) => index).filter(
    (index) => (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1,
  )
  return { bank, indexes }
}

function hashName(algorithm: number, what: string): TpmHash {
  if (algorithm === ALGORITHM.sha256) return 'SHA-256'
  if (algorithm === ALGORITHM.sha384) return 'SHA-384'
  throw malformed(`${what} has another algorithm`, '000b (SHA-256) or 000c (SHA-384)', algorithm.toString(16))
}

export interface TpmSignature {
  readonly scheme: SignatureScheme
  /** The hash of the scheme, which is also that of the PCR digest (part 3, TPM2_Quote). */
  readonly hash: TpmHash
  readonly signature: Uint8Array
}

const RSA_SCHEMES: Record<'rsassa' | 'rsapss', Record<TpmHash, SignatureScheme>> = {
  rsassa: { 'SHA-256': 'rsa-pkcs1-sha256', 'SHA-384': 'rsa-pkcs1-sha384' },
  rsapss: { 'SHA-256': 'rsa-pss-sha256', 'SHA-384': 'rsa-pss-sha384' },
}

/** Signatures as long as an RSA modulus of 2048, 3072 or 4096 bits; bytes. */
const BARE_LENGTHS: readonly number[] = [256, 384, 512]

/**
 * Reads a quote's signature: TPMT_SIGNATURE of an RSA key, or the bare bytes, which are RSASSA-PKCS1-v1_5 with
 * SHA-256 then: that is what tools on Azure keep.
 *
 * @throws EvidenceInvalid `tpm-quote-signature`
 */
export function parseTpmSignature(bytes: Uint8Array): TpmSignature {
  return decoding('tpm-quote-signature', 'the signature of the TPM quote', () => {
    if (BARE_LENGTHS.includes(bytes.length)) {
      return { scheme: 'rsa-pkcs1-sha256', hash: 'SHA-256', signature: bytes }
    }
    const reader = new ByteReader(bytes)
    const algorithm = reader.u16be('signature algorithm')
    if (algorithm !== ALGORITHM.rsassa && algorithm !== ALGORITHM.rsapss) {
      throw malformed('it has another algorithm', '0014 (RSASSA) or 0016 (RSAPSS)', algorithm.toString(16))
    }
    const hash = hashName(reader.u16be('hash algorithm'), 'the signature')
    const signature = reader.take(reader.u16be('size'), 'signature')
    reader.end('the signature')
    const scheme = RSA_SCHEMES[algorithm === ALGORITHM.rsassa ? 'rsassa' : 'rsapss'][hash]
    return { scheme, hash, signature }
  })
}
