import { NO_AMD_COLLATERAL, amdVerifier, intelVerifier } from '@taw/attestation'
import type {
  AmdCollateral,
  AmdRoot,
  Certificate,
  CollateralRequest,
  CollateralRules,
  CryptoPort,
  EvidenceCollateral,
  FoundEvidence,
  IntelCollateral,
} from '@taw/attestation'
import { collateralForSnpReport } from './amd-collateral.ts'
import type { AmdServiceOptions } from './amd-service.ts'
import { CacheDirectory } from './cache-directory.ts'
import type { CollateralBundle } from './bundle.ts'
import { documentChecker } from './checker.ts'
import type { CheckedDocument } from './checker.ts'
import { collateralForEvidence } from './evidence-collateral.ts'
import type { CollateralUnavailable } from './failure.ts'
import { Fetcher } from './fetcher.ts'
import { collateralForPlatform, collateralForQuote } from './intel-collateral.ts'
import type { IntelPlatformId } from './intel-collateral.ts'
import type { IntelServiceOptions } from './intel-service.ts'
import { DocumentLibrary } from './library.ts'
import type { CollateralLimits } from './procurement.ts'
import type { Documents } from './library.ts'
import { importBundle } from './import-bundle.ts'
import type { ImportedDocument } from './import-bundle.ts'
import type { Timers } from './upkeep.ts'
import type { RetryPolicy } from './retry.ts'
import { Counters } from './stats.ts'
import type { CollateralNotice, CollateralStats } from './stats.ts'

export interface CollateralServiceOptions {
  /** `nodeCrypto` of @taw/attestation/node. */
  readonly crypto: CryptoPort
  /** Intel's service or a PCCS; default Intel's own. `off`: documents come from the cache and from bundles alone. */
  readonly intel?: IntelServiceOptions | 'off' | undefined
  /** AMD's key distribution service; `off` as above. */
  readonly amd?: AmdServiceOptions | 'off' | undefined
  /** Where documents outlive the process; made if it is not there. Default: memory alone. */
  readonly directory?: string | undefined
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly limits?: Partial<CollateralLimits> | undefined
  /** How long a document that could not be got is not asked for again; milliseconds, default 30,000. */
  readonly negativeMs?: number | undefined
  /** How old documents become before they are asked for again; milliseconds, default a day. */
  readonly refreshMs?: number | undefined
  readonly notice?: ((notice: CollateralNotice) => void) | undefined
  /** For tests: the time, 0 to 1 at random, timers, and other vendors than the genuine ones. */
  readonly now?: (() => Date) | undefined
  readonly random?: (() => number) | undefined
  readonly timers?: Timers | undefined
  readonly intelAnchors?: readonly Certificate[] | undefined
  readonly amdAnchors?: readonly AmdRoot[] | undefined
}

/**
 * Gets, keeps and refreshes what vouches for evidence. Everything that it gives out was verified when it was taken, and is
 * valid now; the verifier verifies it again all the same.
 */
export interface CollateralService {
  /**
   * What a quote needs.
   *
   * @param evidence a quote, or what `findQuote` of @taw/attestation finds one in
   * @throws EvidenceInvalid when the quote is not genuine, as far as that can be said without collateral
   * @throws CollateralUnavailable
   */
  readonly forQuote: (evidence: Uint8Array, rules?: CollateralRules) => Promise<IntelCollateral>
  /**
   * What quotes of a kind of platform need; for preparing bundles.
   *
   * @throws CollateralUnavailable
   */
  readonly forIntelPlatform: (platform: IntelPlatformId) => Promise<IntelCollateral>
  /**
   * What an SEV-SNP report needs, with what came along with it.
   *
   * @param report 1184 bytes
   * @param given the host's certificate table, read (`readAmdCollateralFile`)
   * @throws EvidenceInvalid when the report is not genuine, or its keys are revoked
   * @throws CollateralUnavailable
   */
  readonly forSnpReport: (
    report: Uint8Array,
    given?: AmdCollateral,
    rules?: CollateralRules,
  ) => Promise<AmdCollateral>
  /**
   * What evidence of any kind needs, by the above; with a grace period also what ended a while ago, if nothing newer can be had. Kinds that carry all that vouches for them need nothing.
   *
   * @throws EvidenceInvalid, CollateralUnavailable
   */
  readonly forEvidence: (evidence: FoundEvidence, rules?: CollateralRules) => Promise<EvidenceCollateral>
  /**
   * The same documents as a bundle, to be passed along with the evidence. What lies beside the evidence is not in it.
   *
   * @throws EvidenceInvalid, CollateralUnavailable
   */
  readonly bundleFor: (evidence: FoundEvidence) => Promise<CollateralBundle>
  /**
   * Asks for each document in memory again, one after another.
   *
   * @returns what could not be got; the documents at hand stay in use
   */
  readonly refresh: () => Promise<readonly CollateralUnavailable[]>
  /** All documents in memory that are valid now, as one file. */
  readonly exportBundle: () => Uint8Array
  /**
   * Takes documents from a bundle, each one verified.
   *
   * @throws EvidenceInvalid `collateral-format` when it is no bundle
   */
  readonly importBundle: (bundle: Uint8Array) => Promise<readonly ImportedDocument[]>
  readonly stats: () => CollateralStats
  /** Stops refreshing, and ends what is under way. */
  readonly close: () => void
}

const RETRY: RetryPolicy = { attempts: 3, attemptTimeoutMs: 5_000, totalTimeoutMs: 15_000, backoffMs: 250 }
const LIMITS: CollateralLimits = {
  platformDocuments: 512,
  newPlatformBurst: 64,
  newPlatformsPerMinute: 30,
  underWay: 32,
}
const DAY_MS = 24 * 60 * 60_000

/**
 * @throws TypeError when a URL is malformed
 * @throws when the directory can't be made or read
 */
export function createCollateralService(options: CollateralServiceOptions): CollateralService {
  const { crypto, intelAnchors, amdAnchors } = options
  const now = options.now ?? (() => new Date())
  const random = options.random ?? Math.random
  const counters = new Counters()
  const fetcher = new Fetcher({
    intel: options.intel ?? {},
    amd: options.amd ?? {},
    retry: { ...RETRY, ...options.retry },
    now,
    random,
    counters,
  })
  const library = new DocumentLibrary({
    fetcher,
    check: documentChecker({ crypto, intelAnchors, amdAnchors }),
    directory: options.directory === undefined ? undefined : new CacheDirectory(options.directory),
    now,
    random,
    timers: options.timers ?? processTimers,
    notice: options.notice ?? (() => undefined),
    counters,
    limits: { ...LIMITS, ...options.limits },
    negativeMs: options.negativeMs ?? 30_000,
    refreshMs: options.refreshMs ?? DAY_MS,
  })
  const intel = {
    library,
    requests: new Map<string, CollateralRequest>(),
    verifier: intelVerifier({ crypto, ...(intelAnchors ? { anchors: intelAnchors } : {}) }),
    update: fetcher.update,
    now,
  }
  const amd = {
    library,
    provenEndorsements: new Set<string>(),
    verifier: amdVerifier({
      crypto,
      revocation: 'if-given',
      ...(amdAnchors ? { anchors: amdAnchors } : {}),
    }),
    now,
  }
  const vendorsWith = (documents: Documents) => ({
    forQuote: (evidence: Uint8Array, rules?: CollateralRules) =>
      collateralForQuote(evidence, { ...intel, library: documents }, rules),
    forSnpReport: (report: Uint8Array, given: AmdCollateral = NO_AMD_COLLATERAL, rules?: CollateralRules) =>
      collateralForSnpReport(report, given, { ...amd, library: documents }, rules),
  })
  const vendors = vendorsWith(library)
  return {
    ...vendors,
    forIntelPlatform: (platform) => collateralForPlatform(platform, intel),
    forEvidence: (evidence, rules) => collateralForEvidence(evidence, vendors, rules),
    bundleFor: async (evidence) => {
      const used: CheckedDocument[] = []
      const get: Documents['get'] = async (id, rules) => {
        const document = await library.get(id, rules)
        used.push(document)
        return document
      }
      await collateralForEvidence(evidence, vendorsWith({ get, shelf: library.shelf }))
      return library.shelf.bundleOf(used)
    },
    refresh: () => library.refresh(),
    exportBundle: () => library.shelf.bundle(),
    importBundle: (bundle) => importBundle(bundle, library, now()),
    stats: () => library.stats(),
    close: () => {
      library.close()
    },
  }
}

const processTimers: Timers = {
  set: (action, delayMs) => {
    const timer = setTimeout(action, delayMs).unref()
    return {
      cancel: () => {
        clearTimeout(timer)
      },
    }
  },
}
