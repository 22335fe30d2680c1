/**
 * Standard base64 as Go's decoder takes it: padded, line breaks skipped wherever they stand, unused bits of the
 * last character not looked at.
 * @returns undefined when the text is none
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/[\r\n]+/g, '')
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined
  return Uint8Array.from(Buffer.from(compact, 'base64'))
}

/** Hexadecimal digits in either case, two for each byte. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
