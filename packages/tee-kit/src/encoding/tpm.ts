// Structures of a TPM 2.0 (TCG, TPM 2.0 Library, part 2): big-endian.

const u16be = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)

/** TPM2B: u16 length, then the bytes. */
const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u16be(bytes.length), bytes])

/** TPM_GENERATED_VALUE and TPM_ST_ATTEST_QUOTE. */
const QUOTE_HEADER = Buffer.from('ff5443478018', 'hex')
/** TPM_ALG_SHA256 and TPM_ALG_SHA384. */
const HASH = { sha256: 0x000b, sha384: 0x000c } as const
/** TPM_ALG_RSASSA and TPM_ALG_RSAPSS. */
const SCHEME = { rsassa: 0x0014, rsapss: 0x0016 } as const

/**
 * TPMS_ATTEST of a quote about PCRs of the SHA-256 bank.
 *
 * @param nonce the qualifying data
 * @param selected indexes, 0 to 23
 * @param digest of the selected values, one after the other
 */
export function quoteMessage(nonce: Uint8Array, selected: readonly number[], digest: Uint8Array): Buffer {
  const bitmap = Buffer.alloc(3)
  for (const index of selected) {
    bitmap.writeUInt8(bitmap.readUInt8(index >> 3) | (1 << (index & 7)), index >> 3)
  }
  return Buffer.concat([
    QUOTE_HEADER,
    // Qualified signer: an algorithm, and the hash of a name.
    sized(Buffer.concat([u16be(HASH.sha256), Buffer.alloc(32, 0x11)])),
    sized(nonce),
    // TPMS_CLOCK_INFO, and the firmware's version.
    Buffer.alloc(17),
    Buffer.from('2020031200120003', 'hex'),
    // One selection, of three octets.
    Buffer.from('00000001', 'hex'),
    u16be(HASH.sha256),
    Buffer.of(bitmap.length),
    bitmap,
    sized(digest),
  ])
}

/**
 * TPMT_SIGNATURE of an RSA key.
 *
 * @param hash with which the message was signed
 */
export const rsaSignature = (
  scheme: 'rsassa' | 'rsapss',
  hash: 'sha256' | 'sha384',
  signature: Uint8Array,
): Buffer => Buffer.concat([u16be(SCHEME[scheme]), u16be(HASH[hash]), sized(signature)])
