import { hash } from 'node:crypto'
import { collateralRequest, findQuote, mergeCollateral, parseQuote } from '@taw/attestation'
import type {
  CollateralRules,
  CollateralRequest,
  IntelCollateral,
  IntelVerifier,
  Quote,
} from '@taw/attestation'
import type { CheckedDocument } from './checker.ts'
import { nameOf } from './documents.ts'
import type { DocumentId, PckCa, PckCertificateQuery, Tee, UpdatePolicy } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { Documents } from './library.ts'

export interface IntelPorts {
  /** What quotes of a platform need, by the SHA-256 of their certificates: reading those takes most of a cached look-up. */
  readonly requests: Map<string, CollateralRequest>
  readonly library: Documents
  readonly verifier: IntelVerifier
  readonly update: UpdatePolicy
  readonly now: () => Date
}

/** What is asked for: everything that vouches for one kind of quotes of one kind of platform. */
export interface IntelPlatformId {
  readonly tee: Tee
  /** 12 hex digits. */
  readonly fmspc: string
  readonly ca: PckCa
}

/** @see CollateralService.forQuote */
export async function collateralForQuote(
  evidence: Uint8Array,
  ports: IntelPorts,
  rules: CollateralRules = {},
): Promise<IntelCollateral> {
  const { library, verifier, now } = ports
  const bytes = findQuote(evidence)?.quote ?? evidence
  const { tee, platform, pckCertificate } = requestOf(parseQuote(bytes), ports.requests)
  if (platform) {
    const ids = documentsOf({ tee, ...platform }, ports.update)
    if (!ids.every((id) => library.shelf.has(id))) {
      // Who asks must be a genuine platform of Intel's: signatures and chain need no collateral. Others cause no request.
      await verifier.authenticateQuote(bytes, [], now())
    }
    return mergeDocuments(await getAll(library, ids, rules))
  }
  return forUnnamedPlatform(bytes, tee, pckCertificate, { ...ports, rules })
}

export async function collateralForPlatform(
  platform: IntelPlatformId,
  { library, update }: Pick<IntelPorts, 'library' | 'update'>,
): Promise<IntelCollateral> {
  return mergeDocuments(await getAll(library, documentsOf(platform, update)))
}

function requestOf(quote: Quote, known: IntelPorts['requests']): CollateralRequest {
  const tee = quote.header.teeType
  const key = `${tee} ${hash('sha256', quote.certification.bytes, 'base64')}`
  const found = known.get(key)
  if (found) return found
  const request = collateralRequest(quote)
  // Without a certificate the answer depends on the header too.
  if (!request.platform) return request
  if (known.size >= MAX_REQUESTS) known.clear()
  known.set(key, request)
  return request
}

/** Half a kilobyte each. */
const MAX_REQUESTS = 4096

/** A quote without its PCK certificate: that comes first, and says which platform it is. */
async function forUnnamedPlatform(
  quote: Uint8Array,
  tee: Tee,
  query: PckCertificateQuery | undefined,
  { library, verifier, update, now, rules }: IntelPorts & { readonly rules: CollateralRules },
): Promise<IntelCollateral> {
  const pck = await library.get(pckCertificateId(query, now()))
  const certificates = pck.intel?.certificates ?? []
  const { pck: certified } = await verifier
    .authenticateQuote(quote, certificates, now())
    .catch(async (error: unknown) => {
      // The certificate of another platform, or a forged quote.
      await library.shelf.disprove(pck)
      throw error
    })
  await library.shelf.prove(pck)
  const fmspc = Buffer.from(certified.platform.fmspc).toString('hex')
  const issuer = certified.chain.certificates[1]?.subjectCommonName
  const ca = issuer?.includes('Platform') ? 'platform' : 'processor'
  return mergeDocuments([pck, ...(await getAll(library, documentsOf({ tee, fmspc, ca }, update), rules))])
}

function pckCertificateId(query: PckCertificateQuery | undefined, now: Date): DocumentId {
  if (query?.encryptedPpid === undefined) {
    throw new CollateralUnavailable({
      document: 'intel-pck-certificate',
      reason: 'not-published',
      message: 'the quote has neither a PCK certificate nor an encrypted PPID',
      attempts: [],
      since: now,
      remedy: 'have the platform make quotes with their PCK certificate (certification data type 5)',
    })
  }
  const { qeId, encryptedPpid, cpuSvn, pceSvn, pceId } = query
  const svn = Buffer.alloc(2)
  svn.writeUInt16LE(pceSvn)
  return { kind: 'intel-pck-certificate', qeId, encryptedPpid, cpuSvn, pceSvn: svn.toString('hex'), pceId }
}

const documentsOf = ({ tee, fmspc, ca }: IntelPlatformId, update: UpdatePolicy): readonly DocumentId[] => [
  { kind: 'intel-root-ca-crl' },
  { kind: 'intel-pck-crl', ca },
  { kind: 'intel-tcb-info', tee, fmspc, update },
  { kind: 'intel-qe-identity', tee, update },
]

/** All at once. When several can't be had, the error is about the first. */
async function getAll(
  library: Documents,
  ids: readonly DocumentId[],
  rules: CollateralRules = {},
): Promise<readonly CheckedDocument[]> {
  const results = await Promise.allSettled(ids.map((id) => library.get(id, rules)))
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

function mergeDocuments(documents: readonly CheckedDocument[]): IntelCollateral {
  return mergeCollateral(
    ...documents.map(({ intel, id }) => {
      if (!intel) throw new TypeError(`${nameOf(id)} is no collateral of Intel's`)
      return intel
    }),
  )
}
