import { EvidenceInvalid, failureSentence, readCollateralBundle } from '@taw/attestation'
import type { BundledDocument } from '@taw/attestation'
import { isOlder, isValidAt } from './checker.ts'
import { documentOfName } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { DocumentLibrary } from './library.ts'

/** What became of a document of a bundle. */
export interface ImportedDocument {
  readonly name: string
  /** `known`: the same, or a newer one, is there already. */
  readonly outcome: 'stored' | 'known' | 'refused'
  /** Why it was refused. */
  readonly message: string
}

/**
 * Verifies each document of a bundle, and keeps it unless a newer one is there.
 *
 * @throws EvidenceInvalid `collateral-format` when the bundle can't be read
 */
export async function importBundle(
  bundle: Uint8Array,
  library: DocumentLibrary,
  now: Date,
): Promise<readonly ImportedDocument[]> {
  const documents = readCollateralBundle(bundle, 'the bundle')
  // Lists and issuers first: other documents are checked against them.
  const issuersFirst = [...documents].sort((a, b) => Number(!isIssuer(a.name)) - Number(!isIssuer(b.name)))
  const results: ImportedDocument[] = []
  for (const document of issuersFirst) results.push(await importOne(document, library, now))
  return results
}

const isIssuer = (name: string): boolean =>
  name === 'intel-root-ca-crl' || name.startsWith('amd-crl/') || name.startsWith('amd-cert-chain/')

async function importOne(
  { name, fetchedAt, body, issuerChain }: BundledDocument,
  library: DocumentLibrary,
  now: Date,
): Promise<ImportedDocument> {
  const refused = (message: string): ImportedDocument => ({ name, outcome: 'refused', message })
  const id = documentOfName(name)
  if (!id) return refused('no document is called so; the bundle may be newer than this program')
  try {
    const document = await library.check(id, { body, issuerChain })
    if (!isValidAt(document, now)) {
      const window = `${document.notBefore.toISOString()} to ${document.notAfter.toISOString()}`
      return refused(`it is valid from ${window}, which is not now`)
    }
    const known = await library.known(id)
    if (known && !isOlder(known, document)) return { name, outcome: 'known', message: '' }
    await library.keep(document, fetchedAt, { isProven: true, isSaved: false })
    return { name, outcome: 'stored', message: '' }
  } catch (error) {
    if (!(error instanceof EvidenceInvalid || error instanceof CollateralUnavailable)) throw error
    return refused(error instanceof EvidenceInvalid ? failureSentence(error) : error.message)
  }
}
