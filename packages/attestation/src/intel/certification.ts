import { bytesEqual } from '../core/bytes.ts'
import { isSignedBy, nameOf, verifyChainSignatures } from '../core/chain.ts'
import type { ChainRules } from '../core/chain.ts'
import { contentKey } from '../core/content-key.ts'
import { decodePem } from '../core/encoding.ts'
import { EvidenceInvalid, decoding, malformed } from '../core/errors.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import { isPckCertificate, parsePckExtensions } from './pck.ts'
import type { CertificationData, Quote } from './quote.ts'
import { leafFirst } from './read-collateral.ts'
import type { CertifiedPck, Trust } from './trust.ts'

/** Common names of the PCK certificate profile, 1.3 and 1.4. */
const PCK_NAME = 'Intel SGX PCK Certificate'
export const PCK_CA_NAMES = {
  platform: 'Intel SGX PCK Platform CA',
  processor: 'Intel SGX PCK Processor CA',
} as const

/** How many PCK certificates from elsewhere are tried against one quote: a few TCB levels of a few platforms. */
const MAX_CANDIDATES = 64

export const pckChainRules = (trust: Trust): ChainRules => ({
  check: 'pck-chain',
  what: 'PCK certificate chain',
  anchors: trust.anchors,
})

/**
 * The certificate of the key that signed the QE report: from the quote, or for quotes that only name their platform (PPID)
 * from the certificates that the caller has. Which one of those it is, the signature shows.
 */
export async function certifyPck(
  quote: Quote,
  others: readonly Certificate[],
  trust: Trust,
): Promise<CertifiedPck> {
  const { certification } = quote
  return certification.form === 'pck-chain'
    ? trust.pcks.getOrMake(await contentKey(trust.crypto, [certification.bytes]), () =>
        certifyChain(leafOfQuoteFirst(certificatesInQuote(certification)), trust),
      )
    : findPck(quote, certification, others, trust)
}

/** The certificates in a quote, in its order. Bytes around the PEM blocks are skipped. */
export function certificatesInQuote(
  certification: CertificationData & { form: 'pck-chain' },
): readonly Certificate[] {
  return decoding('pck-chain', 'the PCK certificate chain in the quote', () => {
    // Latin-1 keeps whatever stands behind the last block from being an error.
    const blocks = decodePem(new TextDecoder('latin1').decode(certification.bytes))
    return blocks.map(({ label, bytes }) => {
      if (label !== 'CERTIFICATE')
        throw malformed('a PEM block is no certificate', 'CERTIFICATE', `'${label}'`)
      return parseCertificate(bytes)
    })
  })
}

const leafOfQuoteFirst = (certificates: readonly Certificate[]): readonly Certificate[] =>
  decoding('pck-chain', 'the PCK certificate chain in the quote', () => leafFirst(certificates, 'chain'))

/** A PCK certificate and its issuers, leaf first: all but dates and revocation. */
export async function certifyChain(
  certificates: readonly Certificate[],
  trust: Trust,
): Promise<CertifiedPck> {
  const rules = pckChainRules(trust)
  const chain = await verifyChainSignatures(trust.crypto, certificates, rules)
  requireProfile(chain.certificates)
  const platform = decoding('pck-certificate', 'the PCK certificate', () => parsePckExtensions(chain.leaf))
  const key = await trust.crypto.importKey('ecdsa-p256-sha256', chain.leaf.spki)
  if (!key) {
    throw new EvidenceInvalid('pck-certificate', {
      message: 'the key of the PCK certificate is not on the curve P-256',
      expected: 'an ECDSA P-256 key',
      found: 'another key',
    })
  }
  return { chain, platform, key }
}

function requireProfile(chain: readonly Certificate[]): void {
  const [leaf, ca] = chain
  const caNames: readonly string[] = Object.values(PCK_CA_NAMES)
  const isPck = leaf?.subjectCommonName === PCK_NAME && leaf.basicConstraints?.ca !== true
  if (isPck && chain.length === 3 && caNames.includes(ca?.subjectCommonName ?? '')) return
  throw new EvidenceInvalid('pck-chain', {
    message: 'the PCK certificate chain is of another kind',
    expected: `${PCK_NAME}, ${caNames.join(' or ')}, root`,
    found: chain.map(nameOf).join(', '),
  })
}

async function findPck(
  quote: Quote,
  certification: CertificationData & { form: 'ppid' },
  others: readonly Certificate[],
  trust: Trust,
): Promise<CertifiedPck> {
  const candidates = others.filter(isPckCertificate).slice(0, MAX_CANDIDATES)
  for (const candidate of candidates) {
    const key = await trust.crypto.importKey('ecdsa-p256-sha256', candidate.spki)
    if (!key || !(await trust.crypto.verify(key, quote.qeReportBytes, quote.qeReportSignature))) continue
    const path = [candidate, ...(await issuersOf(candidate, others, trust))]
    const cacheKey = await contentKey(
      trust.crypto,
      path.map(({ raw }) => raw),
    )
    return trust.pcks.getOrMake(cacheKey, () => certifyChain(path, trust))
  }
  throw new EvidenceInvalid('pck-certificate', {
    message: `the quote has no PCK certificate inside (certification data type ${certification.type}), and none of the collateral made its QE report's signature`,
    expected: 'the PCK certificate of the platform, and its CA, among the collateral',
    found: `${candidates.length} other PCK certificates`,
    remedy: "fetch the platform's PCK certificate from Intel's service or a PCCS and pass it as collateral",
  })
}

/** How many CAs of one name are tried as the issuer of a certificate. */
const MAX_ISSUERS = 16

/**
 * The CA between a certificate and its root, found among others by name and key; none when a root itself issued it. Whether the
 * path is good, the verification of the chain says.
 */
export async function issuersOf(
  certificate: Certificate,
  others: readonly Certificate[],
  trust: Trust,
): Promise<readonly Certificate[]> {
  const isRoot = (one: Certificate): boolean =>
    trust.anchors.some((anchor) => bytesEqual(anchor.subject, one.subject))
  const candidates = others.filter(
    (one) => one.basicConstraints?.ca === true && bytesEqual(one.subject, certificate.issuer) && !isRoot(one),
  )
  for (const candidate of candidates.slice(0, MAX_ISSUERS)) {
    if (await isSignedBy(trust.crypto, certificate, candidate)) return [candidate]
  }
  return []
}
