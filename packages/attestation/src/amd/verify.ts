import { bytesEqual, isAllZero } from '../core/bytes.ts'
import { earliest } from '../core/dates.ts'
import { BoundedCache } from '../core/cache.ts'
import { isSignedBy, nameOf, requireChainValidAt, verifyChainSignatures } from '../core/chain.ts'
import { ChainCache } from '../core/chain-cache.ts'
import type { KeyedChain } from '../core/chain-cache.ts'
import { Checks } from '../core/checks.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { fromHex, toHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { takenUntil } from '../core/grace.ts'
import type { CollateralRules } from '../core/grace.ts'
import { markVerified } from '../core/result.ts'
import type { Check, Verified } from '../core/result.ts'
import type { Certificate } from '../core/x509.ts'
import type { AmdCollateral } from './collateral.ts'
import { hwidMatches, tcbMatches } from './endorsement.ts'
import type { SnpEndorsement } from './endorsement.ts'
import { REPORT_SCHEME, isReportSignedWith } from './report-signature.ts'
import { ALGORITHM_ECDSA_P384_SHA384, parseSnpReport } from './report.ts'
import type { SnpReport } from './report.ts'
import type { AmdVerifierOptions } from './options.ts'
import { checkRevocation } from './revocation.ts'
import type { RevocationTrust } from './revocation.ts'
import { genuineAmdRoots } from './roots.ts'
import type { AmdRoot } from './roots.ts'
import { selectEndorsement } from './selection.ts'
import { tcbText } from './tcb.ts'
import type { AmdProduct } from './tcb.ts'

/** What a verified SEV-SNP report says, and what vouches for it. Byte strings are lower-case hex. */
export interface SnpClaims {
  readonly kind: 'snp-report'
  readonly product: AmdProduct
  /** From the certificate, with the stepping of early Milans, for example `Milan-B0`. */
  readonly productName: string
  readonly signingKey: 'VCEK' | 'VLEK'
  /** The cloud provider that a VLEK belongs to, for example `CN=cc-us-east-2.amazonaws.com`. */
  readonly cspId: string | undefined
  /** SHA-256 of the VCEK or VLEK certificate's DER. */
  readonly endorsementSha256: string
  /** The root that the evidence chains to (AMD's ARK), DER. */
  readonly rootCa: Uint8Array
  readonly report: SnpReport
  /** The time that the verification is for. */
  readonly verifiedAt: Date
  /** From when on a certificate or the revocation list would not be taken any more. */
  readonly validUntil: Date
  /** When the revocation list was issued; undefined when there was none, and none was demanded. */
  readonly collateralIssued: Date | undefined
  /** Everything that was checked, in order. */
  readonly checks: readonly Check[]
}

/** Verifies SEV-SNP reports, and remembers verified certificate chains between calls. */
export interface AmdVerifier {
  /**
   * Verifies a SEV-SNP attestation report (AMD 56860, 7.3) at a time: that a VCEK or VLEK which AMD vouches for signed it,
   * that this key belongs to the chip and TCB version that the report names, and that all certificates are valid then.
   * What the report says is then true; whether it is what you want is for {@link appraiseSnp} to say: the report of a debug
   * guest verifies too.
   *
   * @param report 1184 bytes
   * @param collateral with the certificate table that came with the report, if any, merged into it
   * @param rules what is forgiven about collateral; default: nothing. What was is in the check `collateral-grace`
   * @throws EvidenceInvalid `report-format`, `report-algorithm`, `signing-key`, `endorsement-certificate`,
   *   `endorsement-chain`, `amd-crl`, `product`, `tcb`, `chip-id` or `report-signature`
   */
  readonly verifyReport: (
    report: Uint8Array,
    collateral: AmdCollateral,
    at: Date,
    rules?: CollateralRules,
  ) => Promise<Verified<SnpClaims>>
}

export function amdVerifier(options: AmdVerifierOptions): AmdVerifier {
  const trust: AmdTrust = {
    crypto: options.crypto,
    revocation: options.revocation,
    anchors: options.anchors ?? genuineAmdRoots(),
    chains: new ChainCache(options.crypto, REPORT_SCHEME, options.cacheEntries),
    revocationLists: new BoundedCache(REVOCATION_LISTS),
  }
  return {
    verifyReport: (report, collateral, at, rules = {}) =>
      verifyReport(Uint8Array.from(report), collateral, { ...rules, at }, trust),
  }
}

/** There are three current ones. */
const REVOCATION_LISTS = 32

interface AmdTrust extends RevocationTrust {
  readonly anchors: readonly AmdRoot[]
  readonly chains: ChainCache
}

async function verifyReport(
  bytes: Uint8Array,
  collateral: AmdCollateral,
  time: CollateralRules & { readonly at: Date },
  trust: AmdTrust,
): Promise<Verified<SnpClaims>> {
  const { at } = time
  const checks = new Checks()
  return checks.run(async () => {
    const claimed = parseSnpReport(bytes)
    checks.passed('report-format', { found: `version ${claimed.version}` })
    requireSigned(checks, claimed)
    const endorsement = await selectEndorsement(trust.crypto, bytes, claimed, collateral.endorsements, at)
    checks.passed('endorsement-certificate', { found: `${endorsement.type} for ${endorsement.productName}` })

    const root = rootOf(endorsement, trust.anchors)
    const { chain, key } = await verifyEndorsementChain(endorsement, root, collateral, trust)
    requireChainValidAt(chain, at, CHAIN)
    checks.passed(CHAIN.check, { found: chain.certificates.map((one) => one.subjectCommonName).join(', ') })
    const revocation = await checkRevocation(checks, chain, collateral.revocationLists, time, trust)

    requireProduct(checks, claimed, endorsement, root)
    const facts = parseSnpReport(bytes, root.product)
    requireTcb(checks, facts, endorsement)
    requireChip(checks, facts, endorsement)
    checks.require('report-signature', await isReportSignedWith(trust.crypto, bytes, key), () => ({
      message: `verifying the SEV-SNP report: its signature by the ${endorsement.type} is wrong`,
      expected: `a signature by the ${endorsement.type} over bytes 0 to 0x29f of the report`,
      found: 'another one',
      remedy: 'get the report and its certificates afresh, from the same machine and at the same time',
    }))
    const ends = [
      ...chain.certificates.map(({ notAfter }) => notAfter),
      ...(revocation ? [takenUntil(revocation.nextUpdate, time)] : []),
    ]
    return markVerified<SnpClaims>({
      kind: 'snp-report',
      product: root.product,
      productName: endorsement.productName,
      signingKey: endorsement.type,
      cspId: endorsement.cspId,
      endorsementSha256: toHex(await trust.crypto.sha256(endorsement.certificate.raw)),
      rootCa: root.ark.raw,
      report: facts,
      verifiedAt: new Date(at),
      validUntil: earliest(ends),
      collateralIssued: revocation?.thisUpdate,
      checks: checks.list,
    })
  })
}

function requireSigned(checks: Checks, report: SnpReport): void {
  checks.requireEqual('report-algorithm', {
    message: 'the SEV-SNP report names another signature algorithm',
    expected: `${ALGORITHM_ECDSA_P384_SHA384} (ECDSA P-384 with SHA-384)`,
    found:
      report.signatureAlgo === ALGORITHM_ECDSA_P384_SHA384
        ? `${ALGORITHM_ECDSA_P384_SHA384} (ECDSA P-384 with SHA-384)`
        : String(report.signatureAlgo),
  })
  const { signingKey, maskChipKey } = report.flags
  // MASK_CHIP_KEY keeps the firmware from signing with the VCEK (AMD 56860, SNP_CONFIG); a VLEK is not the chip's.
  const signed = signingKey === 'VLEK' || (signingKey === 'VCEK' && !maskChipKey)
  checks.require('signing-key', signed, () => ({
    message: 'the SEV-SNP report was not signed by the platform',
    expected: 'a VCEK that is not masked, or a VLEK',
    found: maskChipKey && signingKey === 'VCEK' ? 'MASK_CHIP_KEY is set' : `signing key ${signingKey}`,
    remedy: 'the host has masked the chip key (SNP_CONFIG, MASK_CHIP_KEY): it has to be unmasked',
  }))
}

export const CHAIN = { check: 'endorsement-chain', what: 'chain of the VCEK or VLEK' } as const

/** Common names of ARKs, and of the keys between them and VCEK or VLEK (AMD 57230). */
const intermediateName = { VCEK: 'SEV-', VLEK: 'SEV-VLEK-' } as const

function rootOf(endorsement: SnpEndorsement, roots: readonly AmdRoot[]): AmdRoot {
  const root = roots.find(({ product }) => product === endorsement.product)
  if (root) return root
  throw new EvidenceInvalid(CHAIN.check, {
    message: `there is no trusted root for ${endorsement.product} processors`,
    expected: roots.map(({ product }) => product).join(' or '),
    found: endorsement.product,
  })
}

/** The chain from the endorsement through the ASK or ASVK that signed it to the product's ARK. */
export async function verifyEndorsementChain(
  endorsement: SnpEndorsement,
  root: AmdRoot,
  { intermediates }: Pick<AmdCollateral, 'intermediates'>,
  { crypto, chains }: Pick<AmdTrust, 'crypto' | 'chains'>,
): Promise<KeyedChain> {
  const { certificate, type } = endorsement
  const name = `${intermediateName[type]}${root.product}`
  const issuers = [...root.intermediates, ...intermediates].filter(
    (one) => one.subjectCommonName === name && bytesEqual(one.subject, certificate.issuer),
  )
  const parts = [certificate, ...issuers, root.ark].map(({ raw }) => raw)
  const keyed = await chains.chainOf(parts, async () => {
    const issuer = await firstSigner(crypto, certificate, issuers)
    if (!issuer) throw notIssued(certificate, name, issuers.length > 0)
    return verifyChainSignatures(crypto, [certificate, issuer], { ...CHAIN, anchors: [root.ark] })
  })
  if (keyed) return keyed
  throw new EvidenceInvalid(CHAIN.check, {
    message: `the ${type} certificate has another kind of key`,
    expected: 'a key of P-384',
    found: 'another one',
  })
}

function notIssued(certificate: Certificate, name: string, isKnown: boolean): EvidenceInvalid {
  return new EvidenceInvalid(CHAIN.check, {
    message: `verifying the ${CHAIN.what}: no key of AMD's signed ${nameOf(certificate)}`,
    expected: `a signature by '${name}'`,
    found: `issuer '${certificate.issuerCommonName ?? ''}'${isKnown ? ', but another signature' : ''}`,
    remedy: "get the certificate from AMD's key distribution service, or from the host's certificate table",
  })
}

async function firstSigner(
  crypto: CryptoPort,
  certificate: Certificate,
  issuers: readonly Certificate[],
): Promise<Certificate | undefined> {
  for (const issuer of issuers) if (await isSignedBy(crypto, certificate, issuer)) return issuer
  return undefined
}

function requireProduct(checks: Checks, report: SnpReport, endorsement: SnpEndorsement, root: AmdRoot): void {
  const { cpuid, productFromCpuid } = report
  if (!cpuid) {
    checks.skipped('product', 'a report of version 2 does not name its processor')
    return
  }
  checks.requireEqual('product', {
    message: `the SEV-SNP report is of another processor than its ${endorsement.type} certificate`,
    expected: root.product,
    found: productFromCpuid ?? `a processor of family ${cpuid.family}, model ${cpuid.model}`,
  })
}

function requireTcb(checks: Checks, report: SnpReport, endorsement: SnpEndorsement): void {
  checks.require('tcb', tcbMatches(endorsement, report.reportedTcb), () => ({
    message: `the ${endorsement.type} certificate is for another TCB version than the SEV-SNP report`,
    expected: tcbText(endorsement.tcb),
    found: tcbText(report.reportedTcb),
    remedy: 'get the certificate for the TCB version in the report',
  }))
}

function requireChip(checks: Checks, report: SnpReport, endorsement: SnpEndorsement): void {
  if (endorsement.type === 'VLEK') {
    checks.skipped('chip-id', 'a VLEK belongs to a cloud provider, not to a chip')
    return
  }
  // MASK_CHIP_ID of SNP_CONFIG: the host doesn't give the id away. The VCEK's signature says which chip it was all the same.
  if (isAllZero(fromHex(report.chipId))) {
    checks.skipped('chip-id', 'the host masks the chip id')
    return
  }
  checks.require('chip-id', hwidMatches(endorsement, report.chipId), () => ({
    message: 'the VCEK certificate is for another chip than the SEV-SNP report',
    expected: endorsement.hwid ?? 'none',
    found: report.chipId,
    remedy: 'get the VCEK certificate of the chip that the report names',
  }))
}
