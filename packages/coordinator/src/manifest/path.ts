/** Where a value stands in the document: member names and array indexes, from the root. */
export type Path = readonly (string | number)[]

/** A path that grows by one step at each level of decoding, without copying. */
export interface Place {
  readonly parent: Place | undefined
  readonly key: string | number
}

export function pathOf(place: Place | undefined): Path {
  const path: (string | number)[] = []
  for (let at = place; at !== undefined; at = at.parent) path.unshift(at.key)
  return path
}

/** Characters of a member name that are shown; names may be as long as the manifest. */
const shownNameLength = 100

/** The path as users read it: `Marbles.web.Parameters.Files["/etc/app.conf"]`, `TLS.in.Incoming[0].Port`. */
export function showPath(path: Path): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key) && key.length <= shownNameLength) {
      text += text === '' ? key : `.${key}`
    } else text += `[${quoteName(key)}]`
  }
  return text
}

/** A name in quotes, with control characters escaped, cut when it is long. */
export function quoteName(name: string): string {
  if (name.length <= shownNameLength) return JSON.stringify(name)
  return `${JSON.stringify(name.slice(0, shownNameLength).toWellFormed())} (${name.length} characters)`
}
