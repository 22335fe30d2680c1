/**
 * One line of JSON, with a line feed. Names in it may be a hostile host's: what a terminal would act on is escaped, as
 * JSON allows.
 */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value).replaceAll(
    // JSON.stringify escapes C0; here are DEL and C1 (ECMA-48), and the marks that reorder what is shown (UAX #9).
    /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}\n`
