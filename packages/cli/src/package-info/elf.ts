import { CliError } from '../errors.ts'

// ELF of 64 bits, little-endian (System V ABI, "Object Files"): what signed enclaves are. Offsets in bytes.

const MAGIC = Buffer.from('7f454c460201', 'hex')
const HEADER = {
  sectionTable: 0x28,
  sectionSize: 0x3a,
  sectionCount: 0x3c,
  nameTable: 0x3e,
  length: 0x40,
} as const
const SECTION = { name: 0x00, type: 0x04, offset: 0x18, size: 0x20, length: 0x40 } as const
/** SHT_NOBITS: the section has no bytes in the file. */
const NO_BITS = 8

export const isElf = (bytes: Buffer): boolean => MAGIC.equals(bytes.subarray(0, MAGIC.length))

/**
 * The sections of an ELF file with these names.
 * @param where the file, for errors
 * @throws CliError when the file is cut
 */
export function sectionsNamed(bytes: Buffer, names: readonly string[], where: string): readonly Buffer[] {
  const cut = (): never => {
    throw new CliError(`Reading ${where}: the ELF file is cut: a section lies outside of it; build it anew`)
  }
  const slice = (offset: number, length: number): Buffer =>
    offset + length <= bytes.length ? bytes.subarray(offset, offset + length) : cut()
  const wide = (from: Buffer, offset: number): number => Number(from.readBigUInt64LE(offset))

  const header = slice(0, HEADER.length)
  const table = wide(header, HEADER.sectionTable)
  if (table === 0) return []
  if (header.readUInt16LE(HEADER.sectionSize) !== SECTION.length) return cut()
  const count = header.readUInt16LE(HEADER.sectionCount)
  const sections = Array.from({ length: count }, (_, index) =>
    slice(table + index * SECTION.length, SECTION.length),
  )
  const content = (section: Buffer): Buffer =>
    section.readUInt32LE(SECTION.type) === NO_BITS
      ? Buffer.alloc(0)
      : slice(wide(section, SECTION.offset), wide(section, SECTION.size))
  const nameSection = sections[header.readUInt16LE(HEADER.nameTable)]
  if (!nameSection) return []
  const nameTable = content(nameSection)
  const nameOf = (section: Buffer): string => {
    const start = section.readUInt32LE(SECTION.name)
    const end = nameTable.indexOf(0, start)
    return nameTable.toString('latin1', start, end < 0 ? nameTable.length : end)
  }
  return sections.filter((section) => names.includes(nameOf(section))).map(content)
}
