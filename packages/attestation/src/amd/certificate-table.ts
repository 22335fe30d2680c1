import { ByteReader, concatBytes } from '../core/bytes.ts'
import { toHex } from '../core/encoding.ts'
import { malformed } from '../core/errors.ts'

/** What an entry is (AMD 56421, 4.1.8.1), by its GUID as text. */
const ENTRY_NAMES: ReadonlyMap<string, SnpCertificateName> = new Map([
  ['63da758d-e664-4564-adc5-f4b93be8accd', 'VCEK'],
  ['a8074bc2-a25a-483e-aae6-39c045a0b8a1', 'VLEK'],
  ['4ab7b379-bbac-4fe4-a02f-05aef327c782', 'ASK'],
  ['c0b406a4-a803-4952-9743-3fb6014cd0ae', 'ARK'],
  ['92f81bc3-5811-4d3d-97ff-d19f88dc67ea', 'CRL'],
])

export type SnpCertificateName = 'VCEK' | 'VLEK' | 'ASK' | 'ARK' | 'CRL'

export interface SnpTableEntry {
  /** Undefined for a GUID that this library doesn't know. */
  readonly name: SnpCertificateName | undefined
  readonly guid: string
  /** DER or PEM: hosts pass on what their administrator gave them. */
  readonly bytes: Uint8Array
}

/** A table has two to five entries of 0.8 to 2 KB; QEMU and KVM allow at most 4 pages of 4 KB for it. */
const MAX_TABLE_BYTES = 64 * 1024
const MAX_ENTRIES = 32
/** GUID, then offset and length as 32-bit little-endian numbers. */
const ENTRY_LENGTH = 24

/** Whether it starts with an entry of a known GUID. */
export function looksLikeCertificateTable(bytes: Uint8Array): boolean {
  return bytes.length >= 2 * ENTRY_LENGTH && identify(bytes.subarray(0, 16)).name !== undefined
}

/**
 * Reads the certificate table that comes with extended guest requests (AMD 56421, 4.1.8.1), and that Linux gives as
 * `auxblob` in configfs-tsm: entries up to one of zeros, then their contents; offsets count from the table's start.
 *
 * @throws EvidenceInvalid (wrap the call in `decoding`)
 */
export function parseCertificateTable(bytes: Uint8Array): SnpTableEntry[] {
  if (bytes.length > MAX_TABLE_BYTES) {
    throw malformed(
      'the certificate table is too large',
      `at most ${MAX_TABLE_BYTES} bytes`,
      `${bytes.length} bytes`,
    )
  }
  const reader = new ByteReader(bytes)
  const entries: SnpTableEntry[] = []
  for (;;) {
    const { guid, name } = identify(reader.take(16, 'the GUID of an entry'))
    const offset = reader.u32le('the offset of an entry')
    const length = reader.u32le('the length of an entry')
    if (guid === ZERO_GUID && offset === 0 && length === 0) break
    if (entries.length === MAX_ENTRIES)
      throw malformed('the certificate table has too many entries', `at most ${MAX_ENTRIES}`, 'more')
    if (offset > bytes.length || length > bytes.length - offset) {
      throw malformed(
        `the entry ${guid} points outside of the certificate table`,
        `at most ${bytes.length} bytes`,
        `${length} bytes at ${offset}`,
      )
    }
    entries.push({ name, guid, bytes: bytes.subarray(offset, offset + length) })
  }
  requireNoOverlap(entries.length, bytes, entries)
  return entries
}

const ZERO_GUID = '00000000-0000-0000-0000-000000000000'

/** An entry inside the list of entries would be read as two things; entries on top of each other would cost many times. */
function requireNoOverlap(count: number, table: Uint8Array, entries: readonly SnpTableEntry[]): void {
  const total = entries.reduce((sum, { bytes }) => sum + bytes.length, 0)
  if (total > table.length) {
    throw malformed(
      'the entries of the certificate table overlap',
      `at most ${table.length} bytes`,
      `${total} bytes`,
    )
  }
  const listEnd = (count + 1) * ENTRY_LENGTH
  for (const { guid, bytes } of entries) {
    const offset = bytes.byteOffset - table.byteOffset
    if (bytes.length > 0 && offset < listEnd) {
      throw malformed(
        `the entry ${guid} lies in the list of entries`,
        `an offset from ${listEnd}`,
        String(offset),
      )
    }
  }
}

/**
 * Hosts differ in how they store a GUID: its first three fields little-endian (UEFI 2.10, appendix A), or all of it in
 * the order of the text (RFC 9562, 4). No known GUID is another one's reverse.
 */
function identify(bytes: Uint8Array): Pick<SnpTableEntry, 'guid' | 'name'> {
  const textOrder = guidText(bytes)
  const name = ENTRY_NAMES.get(textOrder)
  if (name) return { guid: textOrder, name }
  // Not slice and reverse: of a Buffer they would turn the caller's own bytes around.
  const swapped = [bytes.subarray(0, 4), bytes.subarray(4, 6), bytes.subarray(6, 8)].map((field) =>
    field.toReversed(),
  )
  const guid = guidText(concatBytes(...swapped, bytes.subarray(8)))
  return { guid, name: ENTRY_NAMES.get(guid) }
}

function guidText(bytes: Uint8Array): string {
  const hex = toHex(bytes)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
