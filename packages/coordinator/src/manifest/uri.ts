/**
 * The text of a URI given by its parts, named as in Go's `url.URL`, by Go's rules for when a part is percent-encoded
 * and where delimiters go (RFC 3986, section 5.3, with the exceptions that Go documents).
 */
export interface UriParts {
  readonly scheme: string
  /** Stands for everything between the scheme and the query when not empty: `urn:<opaque>`. */
  readonly opaque: string
  /** Whether there is user information; JSON can give none but an empty one. */
  readonly hasUser: boolean
  readonly host: string
  /** Decoded; `rawPath` is used instead where it is an encoding of it. */
  readonly path: string
  readonly rawPath: string
  readonly omitHost: boolean
  readonly forceQuery: boolean
  /** Encoded, without `?`. */
  readonly rawQuery: string
  /** Decoded, without `#`; `rawFragment` is used instead where it is an encoding of it. */
  readonly fragment: string
  readonly rawFragment: string
}

export function uriText(uri: UriParts): string {
  let text = uri.scheme === '' ? '' : `${uri.scheme}:`
  if (uri.opaque !== '') text += uri.opaque
  else {
    text += authorityOf(uri)
    const path = encodedForm(uri.path, uri.rawPath, 'path')
    if (path !== '' && !path.startsWith('/') && uri.host !== '') text += '/'
    // A first segment with a colon would be read as a scheme (RFC 3986, section 4.2).
    if (text === '' && path.split('/', 1)[0]?.includes(':')) text += './'
    text += path
  }
  if (uri.forceQuery || uri.rawQuery !== '') text += `?${uri.rawQuery}`
  if (uri.fragment !== '') text += `#${encodedForm(uri.fragment, uri.rawFragment, 'fragment')}`
  return text
}

function authorityOf({ scheme, host, path, hasUser, omitHost }: UriParts): string {
  if (scheme === '' && host === '' && !hasUser) return ''
  if (omitHost && host === '' && !hasUser) return ''
  if (host === '' && path === '' && !hasUser) return ''
  return `//${hasUser ? '@' : ''}${encode(host, 'host')}`
}

type Part = 'path' | 'fragment' | 'host'

/** What each part may hold unencoded, besides letters, digits and `-._~`. */
const plain: Readonly<Record<Part, string>> = {
  path: '$&+,/:;=@',
  fragment: '$&+,/:;=?@!()*',
  host: '!$&\'()*+,;=:[]<>"',
}

function encode(decoded: string, part: Part): string {
  let text = ''
  for (const byte of Buffer.from(decoded, 'utf8')) {
    const character = String.fromCharCode(byte)
    text += isPlain(character, part) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

function isPlain(character: string, part: Part): boolean {
  return /^[A-Za-z0-9\-._~]$/.test(character) || plain[part].includes(character)
}

/** The raw form where it is a valid encoding of the decoded one, else the default encoding. */
function encodedForm(decoded: string, raw: string, part: 'path' | 'fragment'): string {
  if (
    raw !== '' &&
    isEncoding(raw, part) &&
    decodePercent(raw) === Buffer.from(decoded, 'utf8').toString('latin1')
  ) {
    return raw
  }
  return part === 'path' && decoded === '*' ? '*' : encode(decoded, part)
}

function isEncoding(raw: string, part: Part): boolean {
  return Array.from(raw).every(
    (character) => "!$&'()*+,;=:@[]%".includes(character) || isPlain(character, part),
  )
}

/** The decoded bytes, one a character; undefined when a percent sign begins no encoded byte. */
function decodePercent(raw: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return undefined
  return raw.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  )
}
