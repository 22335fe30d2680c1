import { manifestLimits } from './limits.ts'
import { decodeBase64 } from './text-encodings.ts'

interface PemBlock {
  /** What stands after `BEGIN`, for example `CERTIFICATE`. */
  readonly label: string
  readonly content: Uint8Array
}

/** How many beginnings of blocks are looked at: each may make it necessary to read on to the end of the text. */
const beginningsTried = 16

/**
 * The first well-formed PEM block (RFC 7468) in a text, which may have other text around it.
 * Header lines (`Proc-Type: …`) are skipped.
 */
export function firstPemBlock(text: string): PemBlock | undefined {
  if (text.length > manifestLimits.pemCharacters) return undefined
  // Lines end as in Go's decoder: a carriage return alone ends none.
  const begin = /(?<![^\n])-----BEGIN ([^\n]*)-----[ \t]*(?=\r?\n|$)/g
  for (let tried = 0; tried < beginningsTried; tried++) {
    const match = begin.exec(text)
    if (match === null) return undefined
    const label = match[1] ?? ''
    const end = `\n-----END ${label}-----`
    const endAt = text.indexOf(end, begin.lastIndex)
    if (endAt < 0) continue
    if (!/^[ \t]*(?:\r?\n|$)/.test(text.slice(endAt + end.length))) continue
    const content = decodeBody(text.slice(begin.lastIndex, endAt))
    if (content !== undefined) return { label, content }
  }
  return undefined
}

function decodeBody(body: string): Uint8Array | undefined {
  const lines = body.split('\n')
  const isHeader = (line: string) => line.includes(':')
  const first = lines.findIndex((line, index) => index > 0 && !isHeader(line))
  return decodeBase64(lines.slice(Math.max(first, 0)).join('').replace(/[ \t]/g, ''))
}
