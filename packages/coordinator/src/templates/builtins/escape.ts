import type { Budget } from '../budget.ts'
import { decodeRune, encodeRune, type ByteString } from '../bytes.ts'
import { noValueText, shown, sprint } from '../format/print.ts'
import { isPrintable } from '../unicode.ts'
import { stringType, stringValue, type GoValue } from '../values.ts'

/** The operands of an escaper as one string; a missing one reads `<no value>` here. */
export function joined(operands: readonly (GoValue | undefined)[], budget: Budget): ByteString {
  const [only] = operands
  if (operands.length === 1 && only?.kind === 'string' && only.type === stringType) return only.value
  return sprint(
    operands.map((operand) => shown(operand) ?? stringValue(noValueText)),
    budget,
  )
}

const htmlEntities: ReadonlyMap<string, string> = new Map([
  ['"', '&#34;'],
  ["'", '&#39;'],
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['\0', encodeRune(0xfffd)],
])

/** Go's HTMLEscape. */
export function escapeHtml(text: ByteString, budget: Budget): ByteString {
  const escaped = text.replace(/["'&<>\0]/g, (char) => htmlEntities.get(char) ?? char)
  budget.build(escaped.length)
  return escaped
}

const jsEscapes: ReadonlyMap<number, string> = new Map([
  [0x5c, '\\\\'],
  [0x27, "\\'"],
  [0x22, '\\"'],
  [0x3c, '\\u003C'],
  [0x3e, '\\u003E'],
  [0x26, '\\u0026'],
  [0x3d, '\\u003D'],
])

/**
 * Go's JSEscape: what is special in scripts or not printable becomes an escape; bytes that are no UTF-8 stay, and so
 * does DEL.
 */
export function escapeJs(text: ByteString, budget: Budget): ByteString {
  const parts: ByteString[] = []
  for (let at = 0; at < text.length;) {
    const { rune, width } = decodeRune(text, at)
    const known = jsEscapes.get(rune)
    if (known !== undefined) parts.push(known)
    else if (isPrintable(rune) || rune === 0x7f) parts.push(text.slice(at, at + width))
    else parts.push(`\\u${rune.toString(16).toUpperCase().padStart(4, '0')}`)
    at += width
  }
  const escaped = parts.join('')
  budget.build(escaped.length)
  return escaped
}

/** Go's url.QueryEscape: letters, digits and `-_.~` stay, a blank becomes a plus. */
export function escapeQuery(text: ByteString, budget: Budget): ByteString {
  const escaped = text.replace(/[^A-Za-z0-9\-_.~]/g, (char) =>
    char === ' ' ? '+' : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
  budget.build(escaped.length)
  return escaped
}
