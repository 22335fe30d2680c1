export type PemLabel = 'CERTIFICATE' | 'PRIVATE KEY' | 'PUBLIC KEY'

/** Characters of base64 on a line (RFC 7468, section 2). */
const lineWidth = 64

/** PEM text of DER: 64 columns, LF, a final newline. */
export function pemEncode(label: PemLabel, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64')
  let body = ''
  for (let start = 0; start < base64.length; start += lineWidth) {
    body += `${base64.slice(start, start + lineWidth)}\n`
  }
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`
}
