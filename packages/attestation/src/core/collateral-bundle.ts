import { excerpt, fromBase64, fromUtf8 } from './encoding.ts'
import { decoding, malformed } from './errors.ts'
import { parseJson, rawMembers } from './json.ts'

/** One document of an attestation service, as it was answered. Read, not verified. */
export interface BundledDocument {
  /** What was asked for, for example `intel-tcb-info/TDX/b0c06f000000/standard` (docs/collateral.md lists all forms). */
  readonly name: string
  readonly fetchedAt: Date
  /** The answer's body, byte for byte. */
  readonly body: Uint8Array
  /** PEM. Undefined for documents that come without one. */
  readonly issuerChain: string | undefined
}

/** The text that the first member, `format`, has. */
export const BUNDLE_FORMAT = 'taw-collateral-bundle'
export const BUNDLE_VERSION = 1

/** Documents of some hundred platforms; one of Intel's largest lists in base64 has 0.2 MB. */
const MAX_BUNDLE_BYTES = 32 * 1024 * 1024
const MAX_DOCUMENTS = 4096
/** Vendor, kind, and what the document is for. The longest names a platform by its encrypted PPID. */
const NAME = /^(intel|amd)-[a-z-]{1,40}(\/[A-Za-z0-9]{1,800}){0,5}$/
const CHECK = 'collateral-format'

/** Whether a file says that it is a bundle: its first member is `format`. */
export function isCollateralBundle(file: Uint8Array): boolean {
  // Within the first line or two, even if someone has indented it.
  const start = new TextDecoder('latin1').decode(file.subarray(0, 100))
  return /^\s*\{\s*"format"\s*:\s*"taw-collateral-bundle"/.test(start)
}

/**
 * Reads a bundle of collateral (docs/collateral.md). Nothing in it is verified here, and nothing in it is skipped: a bundle
 * of which a part can't be read is no bundle.
 *
 * @param what the file's name, for errors
 * @throws EvidenceInvalid `collateral-format`
 */
export function readCollateralBundle(file: Uint8Array, what: string): readonly BundledDocument[] {
  return decoding(CHECK, what, () => {
    if (file.length > MAX_BUNDLE_BYTES) {
      throw malformed('it is too large', `at most ${MAX_BUNDLE_BYTES} bytes`, `${file.length} bytes`)
    }
    const members = rawMembers(fromUtf8(file))
    if (parseJson(members.get('format') ?? 'null') !== BUNDLE_FORMAT) {
      throw malformed('it is no collateral bundle', `'format' is '${BUNDLE_FORMAT}'`, 'something else')
    }
    const version = parseJson(members.get('version') ?? 'null')
    if (version !== BUNDLE_VERSION) {
      throw malformed(
        'it is a bundle of an unknown version',
        String(BUNDLE_VERSION),
        excerpt(String(version)),
      )
    }
    const documents = parseJson(members.get('documents') ?? 'null')
    if (!Array.isArray(documents) || documents.length > MAX_DOCUMENTS) {
      throw malformed("'documents' is malformed", `a list of at most ${MAX_DOCUMENTS}`, typeof documents)
    }
    return documents.map(readDocument)
  })
}

function readDocument(value: unknown, index: number): BundledDocument {
  const what = `document ${index + 1}`
  if (typeof value !== 'object' || value === null) {
    throw malformed(`${what} is malformed`, 'an object', typeof value)
  }
  const members = new Map<string, unknown>(Object.entries(value))
  const text = (name: string): string => {
    const member = members.get(name)
    if (typeof member === 'string') return member
    throw malformed(`'${name}' of ${what} is missing or malformed`, 'a text', typeof member)
  }
  const name = text('name')
  if (!NAME.test(name)) throw malformed(`${what} has an unknown name`, 'vendor-kind/…', excerpt(name))
  const fetchedAt = new Date(text('fetchedAt'))
  if (Number.isNaN(fetchedAt.getTime())) {
    throw malformed(`'fetchedAt' of ${what} is no time`, 'RFC 3339', excerpt(text('fetchedAt')))
  }
  return {
    name,
    fetchedAt,
    body: fromBase64(text('body')),
    issuerChain: members.has('issuerChain') ? text('issuerChain') : undefined,
  }
}
