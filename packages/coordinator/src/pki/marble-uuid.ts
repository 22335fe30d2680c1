import { Refusal } from '../refusal.ts'

declare const canonical: unique symbol

/** A marble's UUID in its canonical form: 36 characters, lower case. Never the nil UUID. */
export type MarbleUuid = string & { readonly [canonical]: true }

/** 32 hex digits in groups of 8-4-4-4-12 (RFC 9562, section 4), of any version and variant. */
const canonicalForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** What may stand around the 36 characters. The prefix counts in either case. */
const wrappings = [/^(.{36})$/s, /^urn:uuid:(.{36})$/is, /^\{(.{36})\}$/s]

const nil = '00000000-0000-0000-0000-000000000000'

/**
 * Reads a UUID in any of the forms that marbles send: 36 characters, the same in braces or after `urn:uuid:`, or 32
 * hex digits; in either case.
 *
 * @throws Refusal `uuid_invalid`, also for the nil UUID: all who send it would share their private secrets.
 */
export function parseMarbleUuid(text: string): MarbleUuid {
  const hex = /^[0-9a-f]{32}$/i.test(text) ? text.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : text
  const inner = wrappings.map((wrapping) => wrapping.exec(hex)?.[1]).find((match) => match !== undefined)
  const uuid = inner?.toLowerCase() ?? ''
  if (!isCanonical(uuid)) {
    throw new Refusal(
      'uuid_invalid',
      `The marble's UUID ${JSON.stringify(text.slice(0, 64))} can't be read. ` +
        'Send it as 36 characters (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx), or as 32 hex digits.',
    )
  }
  if (uuid === nil) {
    throw new Refusal(
      'uuid_invalid',
      `The marble's UUID is the nil UUID, which names no marble. Let each marble make a random one and keep it.`,
    )
  }
  return uuid
}

const isCanonical = (text: string): text is MarbleUuid => canonicalForm.test(text)
