import { createHash } from 'node:crypto'
import { EvidenceInvalid, NO_AMD_COLLATERAL, mergeAmdCollateral, parseSnpReport } from '@taw/attestation'
import type {
  AmdCollateral,
  AmdProduct,
  AmdVerifier,
  CollateralRules,
  SnpEndorsement,
  SnpReport,
} from '@taw/attestation'
import type { CheckedDocument } from './checker.ts'
import { hwidLength } from './documents.ts'
import type { DocumentId } from './documents.ts'
import { CollateralUnavailable } from './failure.ts'
import type { Documents } from './library.ts'

export interface AmdPorts {
  readonly library: Documents
  /** Without revocation: lists are fetched only for reports whose signature is good. */
  readonly verifier: AmdVerifier
  /** SHA-256 of VCEK and VLEK certificates that came with reports which verified. */
  readonly provenEndorsements: Set<string>
  readonly now: () => Date
}

/** @see CollateralService.forSnpReport */
export async function collateralForSnpReport(
  report: Uint8Array,
  given: AmdCollateral,
  ports: AmdPorts,
  rules: CollateralRules = {},
): Promise<AmdCollateral> {
  const { library, verifier, now } = ports
  const known = parseSnpReport(report)
  const { signingKey } = known.flags
  const endorsement = given.endorsements.find(({ type }) => type === signingKey)
  const { collateral, product, isProven } = endorsement
    ? await withGivenEndorsement(report, endorsement, given, ports)
    : await withFetchedVcek(report, known, given, ports)
  const list = await library.get({ kind: 'amd-crl', product }, rules)
  // Lists that came with the report may be older than ours: the verifier takes all of them into account.
  const all = mergeAmdCollateral(collateral, library.shelf.amdIssuers(), list.amd ?? NO_AMD_COLLATERAL)
  if (!isProven) await verifier.verifyReport(report, all, now(), rules)
  return distinct(all)
}

interface Endorsed {
  readonly collateral: AmdCollateral
  readonly product: AmdProduct
  /** The same certificate has vouched for a report before, so this report is looked at by its verifier alone. */
  readonly isProven: boolean
}

async function withGivenEndorsement(
  report: Uint8Array,
  { certificate, product, type }: SnpEndorsement,
  given: AmdCollateral,
  { library, verifier, provenEndorsements, now }: AmdPorts,
): Promise<Endorsed> {
  const key = createHash('sha256').update(certificate.raw).digest('base64')
  if (provenEndorsements.has(key)) return { collateral: given, product, isProven: true }
  const verify = async (): Promise<void> => {
    const collateral = mergeAmdCollateral(given, library.shelf.amdIssuers())
    await verifier.verifyReport(report, { ...collateral, revocationLists: [] }, now())
  }
  try {
    await verify()
  } catch (error) {
    // AMD may have a new ASK or ASVK since this program was made, and the host has not passed it on.
    if (!(error instanceof EvidenceInvalid) || error.check !== 'endorsement-chain') throw error
    await library.get({ kind: 'amd-cert-chain', product, type: type === 'VCEK' ? 'vcek' : 'vlek' })
    await verify()
  }
  if (provenEndorsements.size >= MAX_PROVEN) provenEndorsements.clear()
  provenEndorsements.add(key)
  return { collateral: given, product, isProven: false }
}

/** 44 characters each. */
const MAX_PROVEN = 4096

async function withFetchedVcek(
  report: Uint8Array,
  known: SnpReport,
  given: AmdCollateral,
  { library, verifier, now }: AmdPorts,
): Promise<Endorsed> {
  let missing: CollateralUnavailable | undefined
  for (const id of vceksOf(known, report, now())) {
    const isProven = library.shelf.hasProven(id)
    const vcek = await unlessNotFound(library.get(id))
    if (vcek instanceof CollateralUnavailable) {
      missing ??= vcek
      continue
    }
    const collateral = mergeAmdCollateral(given, vcek.amd ?? NO_AMD_COLLATERAL)
    if (!isProven) {
      const issuers = mergeAmdCollateral(collateral, library.shelf.amdIssuers())
      await verifier.verifyReport(report, { ...issuers, revocationLists: [] }, now())
      await library.shelf.prove(vcek)
    }
    return { collateral, product: id.product, isProven }
  }
  throw missing ?? new TypeError('a report belongs to at least one product')
}

/** Lists and intermediates come from several sides, as the same objects. */
function distinct({ endorsements, intermediates, revocationLists }: AmdCollateral): AmdCollateral {
  return {
    endorsements,
    intermediates: [...new Set(intermediates)],
    revocationLists: [...new Set(revocationLists)],
  }
}

/** A chip of another product is unknown to AMD's service, which says so with 404 or 400. */
async function unlessNotFound(
  document: Promise<CheckedDocument>,
): Promise<CheckedDocument | CollateralUnavailable> {
  try {
    return await document
  } catch (error) {
    const isUnknown =
      error instanceof CollateralUnavailable &&
      (error.reason === 'not-found' || error.reason === 'bad-request')
    if (isUnknown) return error
    throw error
  }
}

type VcekId = Extract<DocumentId, { kind: 'amd-vcek' }>

/** Reports of version 2 do not say which processor made them; those with such firmware are Milan or Genoa. */
const PRODUCTS_OF_VERSION_2 = ['Milan', 'Genoa'] as const

function vceksOf(known: SnpReport, report: Uint8Array, now: Date): readonly VcekId[] {
  if (known.flags.signingKey !== 'VCEK') {
    throw notPublished(
      `the report is signed with a ${known.flags.signingKey}, and its certificate did not come along`,
      'pass the certificate table of the host along: AMD gives VLEK certificates to cloud providers alone',
      now,
    )
  }
  if (/^0*$/.test(known.chipId)) {
    throw notPublished(
      'the host masks the chip id, and the VCEK certificate did not come along',
      'pass the VCEK certificate along, or have the host show the chip id (MASK_CHIP_ID of SNP_CONFIG)',
      now,
    )
  }
  if (known.cpuid && !known.productFromCpuid) {
    throw notPublished(
      `the report is of an unknown processor, family ${known.cpuid.family}, model ${known.cpuid.model}`,
      'use a version of this program that knows the processor',
      now,
    )
  }
  const products: readonly AmdProduct[] = known.productFromCpuid
    ? [known.productFromCpuid]
    : PRODUCTS_OF_VERSION_2
  return products.map((product) => ({
    kind: 'amd-vcek',
    product,
    hwid: known.chipId.slice(0, 2 * hwidLength(product)),
    tcb: parseSnpReport(report, product).reportedTcb.raw,
  }))
}

const notPublished = (message: string, remedy: string, now: Date): CollateralUnavailable =>
  new CollateralUnavailable({
    document: 'amd-vcek',
    reason: 'not-published',
    message,
    attempts: [],
    since: now,
    remedy,
  })
