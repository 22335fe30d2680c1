/**
 * Which URIs can stand in a certificate: those that Go's `net/url` and `crypto/x509` can read, for both the original
 * and most of those who verify certificates in the field read back with them what is issued.
 * Not WHATWG's `URL`: that one repairs what it reads.
 */

/** Undefined when the URI can be read, else what is wrong with it. */
export function uriProblem(uri: string): string | undefined {
  const [beforeFragment = '', ...fragments] = uri.split('#')
  if (hasBrokenEscape(fragments.join('#'))) return 'its fragment has a % without two hex digits'
  if (Array.from(beforeFragment).some((character) => character < ' ' || character === '\u007f')) {
    return 'it has a control character'
  }
  if (beforeFragment === '*') return undefined
  if (beforeFragment.startsWith(':')) return 'it has no scheme before the colon'
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*(?=:)/.exec(beforeFragment)?.[0]
  const afterScheme = scheme === undefined ? beforeFragment : beforeFragment.slice(scheme.length + 1)
  const [hierarchy = ''] = afterScheme.split('?')
  if (!hierarchy.startsWith('/')) return rootlessProblem(scheme, hierarchy)
  if (!hierarchy.startsWith('//') || (scheme === undefined && hierarchy.startsWith('///')))
    return pathProblem(hierarchy)
  const pathStart = hierarchy.indexOf('/', 2)
  const authority = pathStart < 0 ? hierarchy.slice(2) : hierarchy.slice(2, pathStart)
  return authorityProblem(authority) ?? (pathStart < 0 ? undefined : pathProblem(hierarchy.slice(pathStart)))
}

/** `mailto:a@b` is opaque and free in form; without a scheme a colon may not stand in the first segment. */
function rootlessProblem(scheme: string | undefined, hierarchy: string): string | undefined {
  if (scheme !== undefined) return undefined
  const [firstSegment = ''] = hierarchy.split('/')
  return firstSegment.includes(':') ? 'its first path segment has a colon' : pathProblem(hierarchy)
}

const pathProblem = (path: string): string | undefined =>
  hasBrokenEscape(path) ? 'its path has a % without two hex digits' : undefined

function authorityProblem(authority: string): string | undefined {
  const userEnd = authority.lastIndexOf('@')
  const user = authority.slice(0, Math.max(userEnd, 0))
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user) || hasBrokenEscape(user))
    return 'its user part is malformed'
  const host = authority.slice(userEnd + 1)
  const isBracketed = host.startsWith('[')
  if (isBracketed && !host.includes(']')) return 'its host has no closing bracket'
  const portStart = isBracketed ? host.lastIndexOf(']') + 1 : host.lastIndexOf(':')
  if (!/^(:[0-9]*)?$/.test(portStart < 0 ? '' : host.slice(portStart))) return 'its port is no number'
  if (!/^(?:[A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"]|%25|%[89A-Fa-f][0-9A-Fa-f])*$/.test(host))
    return 'its host is malformed'
  // Such an escape can be read, but what comes of it is no part of a domain name.
  if (/%[89A-Fa-f]/.test(host)) return 'its host has octets outside ASCII'
  const problem = domainProblem(host)
  return problem === undefined ? undefined : `its host ${problem}`
}

const hasBrokenEscape = (text: string): boolean => /%(?![0-9A-Fa-f]{2})/.test(text)

/**
 * Undefined for labels of visible ASCII between dots, and for the empty text; else what is wrong.
 * Ports and brackets are visible ASCII too: the recordings have `h:8443` pass as a domain.
 */
export function domainProblem(domain: string): string | undefined {
  if (domain === '') return undefined
  if (!/^[!-~]+$/.test(domain)) return `"${domain}" has a character that no domain has`
  return domain.split('.').includes('') ? `"${domain}" has an empty label` : undefined
}
