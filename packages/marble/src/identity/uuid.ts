const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const nil = '00000000-0000-0000-0000-000000000000'

/**
 * Reads a UUID in one of the four forms that the Coordinator takes: 36 characters, 32 hex digits, `{…}`,
 * `urn:uuid:…`; in either case.
 *
 * @returns the canonical lower-case form; undefined for anything else, and for the nil UUID, which the Coordinator
 * refuses
 */
export function parseUuid(text: string): string | undefined {
  const lower = text.toLowerCase()
  const digits = /^[0-9a-f]{32}$/.test(lower)
    ? lower.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    : (/^\{(.{36})\}$/.exec(lower)?.[1] ?? /^urn:uuid:(.{36})$/.exec(lower)?.[1] ?? lower)
  return canonical.test(digits) && digits !== nil ? digits : undefined
}
