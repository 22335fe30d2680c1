import { isMap } from './json-value.ts'
import type { JsonValue } from './json-value.ts'

/**
 * Compact JSON as Go's encoder writes it: members sorted by the bytes of their UTF-8 names, `<`, `>`, `&`, U+2028 and
 * U+2029 escaped. A manifest in YAML has the fingerprint of this text, so it must come out the same to the byte.
 * @param indent blanks for each level; 0: one line without blanks. Escaping of `<>&` is left out when indenting,
 * which is for people
 */
export function encodeGoJson(value: JsonValue, indent = 0, level = 0): string {
  const quote = indent === 0 ? quoteForGo : (text: string): string => JSON.stringify(text)
  const nested = (item: JsonValue): string => encodeGoJson(item, indent, level + 1)
  const wrap = (open: string, items: readonly string[], close: string): string => {
    if (indent === 0 || items.length === 0) return open + items.join(',') + close
    const pad = '\n' + ' '.repeat(indent * (level + 1))
    return `${open}${pad}${items.join(`,${pad}`)}\n${' '.repeat(indent * level)}${close}`
  }
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (!isMap(value)) return wrap('[', value.map(nested), ']')
  const colon = indent === 0 ? ':' : ': '
  const members = [...value].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return wrap(
    '{',
    members.map(([name, item]) => `${quote(name)}${colon}${nested(item)}`),
    '}',
  )
}

function quoteForGo(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
