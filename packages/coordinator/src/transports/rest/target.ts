/** What a request asks for: the path as routes name it, and the query as it was sent, without its question mark. */
export interface Target {
  readonly path: string
  readonly query: string
}

/** Scheme and authority of a target in absolute form, which every server must take (RFC 9112, section 3.2.2). */
const origin = /^https?:\/\/[^/?#]*/i

/**
 * Reads a request target. Percent-encoded octets of the path are decoded, so that `/%73tatus` is `/status` as clients
 * and proxies may take for granted (RFC 3986, section 6.2.2.2); a path that can't be decoded stays, and is no route.
 */
export function readTarget(target: string): Target {
  const relative = target.replace(origin, '')
  const mark = relative.indexOf('?')
  const [path, query] = mark === -1 ? [relative, ''] : [relative.slice(0, mark), relative.slice(mark + 1)]
  return { path: decodePath(path), query }
}

function decodePath(path: string): string {
  if (!path.includes('%')) return path
  try {
    return path
      .split('/')
      .map((segment) => {
        const decoded = decodeURIComponent(segment)
        // An encoded slash is part of a name, and separates nothing.
        return decoded.includes('/') ? segment : decoded
      })
      .join('/')
  } catch {
    return path
  }
}
