import type { ObjectIdentifier } from '../manifest/model.ts'
import { element, tag } from './der.ts'
import { DerError, DerReader } from './der-reader.ts'
import { encodeObjectIdentifier } from './object-identifier.ts'
import type { ReportProblem } from './template-problem.ts'

/** Content octets of an object identifier that certificates can hold: readers take arcs of at most 31 bits. */
export function readableIdentifier(
  arcs: ObjectIdentifier,
  path: readonly (string | number)[],
  report: ReportProblem,
): Uint8Array | undefined {
  const contents = encodeObjectIdentifier(arcs)
  if (contents === undefined) {
    report(
      path,
      `[${arcs.join(', ')}] is no object identifier: it begins with 0, 1 or 2, then (below 2) 0 to 39`,
    )
    return undefined
  }
  try {
    return new DerReader(element(tag.objectIdentifier, contents)).readObjectIdentifier(
      'the object identifier',
    )
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    report(path, `[${arcs.join(', ')}] can't stand in a certificate: ${error.message}`)
    return undefined
  }
}
