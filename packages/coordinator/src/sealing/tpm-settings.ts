/** PCR numbers, ascending, each once. */
export type PcrSelection = readonly number[]

/**
 * TCG PC Client Platform Firmware Profile, "PCR Usage": PCRs 16 and 23 can be reset by anyone, 17 to 22 belong to a
 * dynamic launch. So what those hold says nothing about what was booted.
 */
const lastStaticPcr = 15

/** Numbers as text: `0-9,11-14`. @throws Error that says what is wrong with it */
export function parsePcrSelection(text: string): PcrSelection {
  const numbers = new Set<number>()
  for (const part of text.split(',')) {
    const range = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part.trim())
    const first = Number(range?.[1])
    const last = Number(range?.[2] ?? range?.[1])
    if (range === null || first > last || last > lastStaticPcr) {
      throw new Error(
        `"${text}" is no list of PCRs: "${part}" must be a number or a range from 0 to ${lastStaticPcr}, ` +
          'as in "0-9,11"; higher ones can be reset, and prove nothing',
      )
    }
    for (let number = first; number <= last; number++) numbers.add(number)
  }
  return [...numbers].sort((one, other) => one - other)
}

/**
 * Where counters may be: the range for owners (TCG, "Registry of Reserved TPM 2.0 Handles and Localities": 0x01800000
 * to 0x01BFFFFF).
 */
export const isOwnerIndex = (index: number): boolean =>
  Number.isInteger(index) && index >= firstOwnerIndex && index <= lastOwnerIndex

const firstOwnerIndex = 0x0180_0000
const lastOwnerIndex = 0x01bf_ffff

/** For messages. */
export const ownerRange = `0x${firstOwnerIndex.toString(16)} to 0x${lastOwnerIndex.toString(16)}`
