/** A place in a text: both count from 1; columns count characters (code points), not bytes. */
interface Position {
  readonly line: number
  readonly column: number
}

/**
 * Lines and columns of byte offsets in a UTF-8 text, in one pass over it.
 * @param offsets in ascending order
 */
export function positionsOf(text: Uint8Array, offsets: readonly number[]): Position[] {
  const positions: Position[] = []
  let line = 1
  let column = 1
  let at = 0
  for (const offset of offsets) {
    for (const end = Math.min(offset, text.length); at < end; at++) {
      const byte = text[at] ?? 0
      if (byte === 0x0a) {
        line++
        column = 1
      } else if ((byte & 0xc0) !== 0x80) column++
    }
    positions.push({ line, column })
  }
  return positions
}
