import { bytesEqual } from './bytes.ts'
import type { CryptoPort } from './crypto.ts'
import { toHex } from './encoding.ts'
import { EvidenceInvalid } from './errors.ts'
import { OID } from './oids.ts'
import type { Certificate } from './x509.ts'

/** The longest chain of any TEE: Nitro's has five certificates. */
const MAX_CHAIN = 8

/** Certificates from leaf to anchor whose signatures, names and constraints were verified. Not yet their dates. */
export interface SignedChain {
  /** The leaf first, the anchor last. */
  readonly certificates: readonly [Certificate, ...Certificate[]]
  readonly leaf: Certificate
  readonly anchor: Certificate
}

export interface ChainRules {
  /** Name of the check, for errors, for example `pck-chain`. */
  readonly check: string
  /** What the chain is for, for messages, for example `PCK certificate chain`. */
  readonly what: string
  /** Trusted roots, compared as whole certificates. */
  readonly anchors: readonly Certificate[]
  /** Critical extensions (dotted OIDs) that the caller evaluates itself. */
  readonly knownCritical?: readonly string[]
}

const EVALUATED_CRITICAL: readonly string[] = [OID.keyUsage, OID.basicConstraints]

/**
 * Verifies everything about a chain that doesn't depend on the time, so that the answer can be cached: each signature
 * over the very bytes that were parsed, issuer and subject names, basicConstraints, path lengths, keyUsage, no critical
 * extension that nobody looks at, and that it ends at an anchor.
 *
 * The order of the certificates after the leaf doesn't matter: the path goes by issuer names (the vectors have a
 * genuine quote with its root before its CA). Each certificate must be on the path. The anchor may be left out.
 *
 * @param certificates the leaf first
 * @throws EvidenceInvalid
 */
export async function verifyChainSignatures(
  crypto: CryptoPort,
  certificates: readonly Certificate[],
  rules: ChainRules,
): Promise<SignedChain> {
  const path = orderPath(certificates, rules)
  for (const [index, certificate] of path.entries()) {
    const issuer = path[index + 1] ?? certificate
    requireNoUnknownCritical(certificate, rules)
    if (index > 0) requireCertificateAuthority(certificate, index - 1, rules)
    if (!(await isSignedBy(crypto, certificate, issuer))) {
      throw chainError(rules, {
        message: `the signature of ${nameOf(certificate)} by ${nameOf(issuer)} is wrong`,
        expected: `a signature by ${nameOf(issuer)} over the certificate as it stands`,
        found: `another one${certificate.scheme ? '' : ', of an unknown algorithm'}`,
      })
    }
  }
  const [leaf] = path
  const anchor = path.at(-1)
  if (!leaf || !anchor) throw emptyChain(rules)
  return { certificates: [leaf, ...path.slice(1)], leaf, anchor }
}

/** @throws EvidenceInvalid when one of the certificates is not valid at the given time (both ends are inclusive) */
export function requireChainValidAt(
  chain: SignedChain,
  at: Date,
  rules: Pick<ChainRules, 'check' | 'what'>,
): void {
  for (const certificate of chain.certificates) {
    requireWindow(at, certificate.notBefore, certificate.notAfter, {
      check: rules.check,
      what: `${nameOf(certificate)} in the ${rules.what}`,
    })
  }
}

/** Both of the above, for chains that nobody caches. */
export async function verifyChain(
  crypto: CryptoPort,
  certificates: readonly Certificate[],
  rules: ChainRules & { readonly at: Date },
): Promise<SignedChain> {
  const chain = await verifyChainSignatures(crypto, certificates, rules)
  requireChainValidAt(chain, rules.at, rules)
  return chain
}

/** @throws EvidenceInvalid unless `from ≤ at ≤ until` */
export function requireWindow(
  at: Date,
  from: Date,
  until: Date,
  names: { check: string; what: string },
): void {
  // Written so that an invalid Date fails.
  if (at >= from && at <= until) return
  const early = at < from
  throw new EvidenceInvalid(names.check, {
    message: `${names.what} is ${early ? 'not valid yet' : 'not valid any more'} at the time of verification`,
    expected: `a time from ${timeText(from)} to ${timeText(until)}`,
    found: timeText(at),
    remedy: early
      ? 'check the clock, and that the collateral is not newer than the time that is being verified for'
      : 'fetch a current version, or verify for the time at which it was valid',
  })
}

/** RFC 3339 in UTC; never throws, whatever the date. */
export function timeText(time: Date): string {
  return Number.isNaN(time.getTime()) ? 'an invalid date' : time.toISOString().replace('.000Z', 'Z')
}

/** Whether the issuer's key made the certificate's signature; says nothing about names, dates or constraints. */
export async function isSignedBy(
  crypto: CryptoPort,
  signed: Pick<Certificate, 'scheme' | 'tbs' | 'signature'>,
  issuer: Pick<Certificate, 'spki'>,
): Promise<boolean> {
  if (!signed.scheme) return false
  const key = await crypto.importKey(signed.scheme, issuer.spki)
  return key !== undefined && (await crypto.verify(key, signed.tbs, signed.signature))
}

/** A certificate as messages name it. */
export function nameOf(certificate: Certificate): string {
  const name = certificate.subjectCommonName?.replace(/[^\x20-\x7e]/g, '.').slice(0, 60)
  return name ? `certificate '${name}'` : `certificate ${certificate.serial}`
}

function orderPath(certificates: readonly Certificate[], rules: ChainRules): Certificate[] {
  const [leaf, ...others] = certificates
  if (!leaf) throw emptyChain(rules)
  if (certificates.length > MAX_CHAIN) {
    throw chainError(rules, {
      message: 'it has too many certificates',
      expected: `at most ${MAX_CHAIN}`,
      found: String(certificates.length),
    })
  }
  const path = [leaf]
  let last = leaf
  while (!isAnchor(last, rules)) {
    const { issuer } = last
    const candidates = others.filter((one) => bytesEqual(one.subject, issuer))
    const candidate =
      candidates.find((one) => !path.includes(one)) ??
      rules.anchors.find((one) => bytesEqual(one.subject, issuer))
    if (!candidate || path.includes(candidate)) throw noAnchor(rules, last)
    path.push(candidate)
    last = candidate
  }
  const unused = others.find((one) => !path.includes(one))
  if (unused) {
    throw chainError(rules, {
      message: `${nameOf(unused)} is not on the path from ${nameOf(leaf)} to the root`,
      expected: 'only certificates that lead from the leaf to the root',
      found: nameOf(unused),
    })
  }
  return path
}

const isAnchor = (certificate: Certificate, rules: ChainRules): boolean =>
  rules.anchors.some((anchor) => bytesEqual(anchor.raw, certificate.raw))

function requireNoUnknownCritical(certificate: Certificate, rules: ChainRules): void {
  for (const [oid, { critical }] of certificate.extensions) {
    if (!critical || EVALUATED_CRITICAL.includes(oid) || rules.knownCritical?.includes(oid)) continue
    throw chainError(rules, {
      message: `${nameOf(certificate)} has a critical extension that this verifier doesn't know`,
      expected: 'only known critical extensions (RFC 5280, 4.2)',
      found: oid,
    })
  }
}

/** @param below how many CA certificates stand between this one and the leaf */
function requireCertificateAuthority(certificate: Certificate, below: number, rules: ChainRules): void {
  const { basicConstraints, keyUsage } = certificate
  if (!basicConstraints?.ca) {
    throw chainError(rules, {
      message: `${nameOf(certificate)} is used as an issuer, but is no certificate authority`,
      expected: 'basicConstraints with CA:TRUE',
      found: basicConstraints ? 'CA:FALSE' : 'no basicConstraints',
    })
  }
  if (basicConstraints.pathLength !== undefined && below > basicConstraints.pathLength) {
    throw chainError(rules, {
      message: `${nameOf(certificate)} has more authorities below it than it allows`,
      expected: `at most ${basicConstraints.pathLength}`,
      found: String(below),
    })
  }
  // RFC 5280, 4.2.1.3: the extension must be there in CA certificates.
  if (!keyUsage?.keyCertSign) {
    throw chainError(rules, {
      message: `${nameOf(certificate)} may not sign certificates`,
      expected: 'keyUsage with keyCertSign',
      found: keyUsage ? 'keyUsage without it' : 'no keyUsage',
    })
  }
}

function chainError(
  rules: Pick<ChainRules, 'check' | 'what'>,
  detail: { message: string; expected: string; found: string; remedy?: string },
): EvidenceInvalid {
  return new EvidenceInvalid(rules.check, {
    ...detail,
    message: `verifying the ${rules.what}: ${detail.message}`,
  })
}

const emptyChain = (rules: ChainRules): EvidenceInvalid =>
  chainError(rules, {
    message: 'there is no certificate in it',
    expected: 'a certificate and its issuers',
    found: 'none',
  })

function noAnchor(rules: ChainRules, last: Certificate): EvidenceInvalid {
  return chainError(rules, {
    message: `it does not lead to a trusted root: the issuer of ${nameOf(last)} is missing or not trusted`,
    expected: rules.anchors.map((anchor) => `${nameOf(anchor)}, serial ${anchor.serial}`).join(' or '),
    found: `issuer '${last.issuerCommonName ?? toHex(last.issuer).slice(0, 40)}'`,
    remedy: 'make sure that the evidence is from real hardware and that its whole certificate chain is there',
  })
}
