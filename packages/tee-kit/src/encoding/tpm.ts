// Structures of a TPM 2.0 (TCG, TPM 2.0 Library, part 2): big-endian.

const u16be = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)

/** TPM2B: u16 length, then the bytes. */
const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u16be(bytes.length), bytes])

/** TPM_GENERATED_VALUE and TPM_ST_ATTEST_QUOTE. */
const QUOTE_HEADER = Buffer.from('ff5443478018', 'hex')
/** TPM_ALG_SHA256. */
const SHA256 = 0x000b
/** TPM_ALG_RSASSA. */
const RSASSA = 0x0014

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
    sized(Buffer.concat([u16be(SHA256), Buffer.alloc(32, 0x11)])),
    sized(nonce),
    // TPMS_CLOCK_INFO, and the firmware's version.
    Buffer.alloc(17),
    Buffer.from('2020031200120003', 'hex'),
    // One selection, of three octets.
    Buffer.from('00000001', 'hex'),
    u16be(SHA256),
    Buffer.of(bitmap.length),
    bitmap,
    sized(digest),
  ])
}

/** TPMT_SIGNATURE: RSASSA with SHA-256. */
export const rsassaSignature = (signature: Uint8Array): Buffer =>
  Buffer.concat([u16be(RSASSA), u16be(SHA256), sized(signature)])
