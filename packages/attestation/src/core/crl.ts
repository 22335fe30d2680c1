import { bytesEqual } from './bytes.ts'
import { isSignedBy, nameOf, requireWindow } from './chain.ts'
import type { CryptoPort, SignatureScheme } from './crypto.ts'
import {
  DER_TAG,
  DerReader,
  bitStringOctets,
  contextTag,
  readSingle,
  smallInteger,
  timeValue,
} from './der.ts'
import type { DerElement } from './der.ts'
import { toHex } from './encoding.ts'
import { EvidenceInvalid, malformed } from './errors.ts'
import { takenUntil } from './grace.ts'
import type { CollateralRules } from './grace.ts'
import { OID } from './oids.ts'
import { portSignature, signatureScheme } from './signature-algorithm.ts'
import { extensionMap, parseExtensions, serialNumber } from './x509.ts'
import type { Certificate, Extension } from './x509.ts'

/** A certificate revocation list (RFC 5280, 5.1) that was read, not verified. */
export interface RevocationList {
  readonly raw: Uint8Array
  /** TBSCertList, DER: the bytes that the signature is over. */
  readonly tbs: Uint8Array
  /** Name, DER. */
  readonly issuer: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** Serial numbers in the form of {@link Certificate.serial}. */
  readonly revoked: ReadonlySet<string>
  readonly extensions: ReadonlyMap<string, Extension>
  readonly scheme: SignatureScheme | undefined
  /** In the form of the crypto port. */
  readonly signature: Uint8Array
}

/** Intel's largest list has 100 KB; 4 MB are some 100,000 entries. */
const MAX_CRL_BYTES = 4 * 1024 * 1024

/**
 * Reads a CRL from DER. One without nextUpdate is refused: nothing would ever end its validity (RFC 5280, 5.1.2.5,
 * demands the field).
 */
export function parseRevocationList(der: Uint8Array): RevocationList {
  if (der.length > MAX_CRL_BYTES) {
    throw malformed('the CRL is too large', `at most ${MAX_CRL_BYTES} bytes`, `${der.length} bytes`)
  }
  const outer = new DerReader(readSingle(der, 'CRL', DER_TAG.sequence).content)
  const tbsElement = outer.read('TBSCertList', DER_TAG.sequence)
  const algorithm = outer.read('signatureAlgorithm', DER_TAG.sequence)
  const signatureBits = outer.read('signature', DER_TAG.bitString)
  outer.end('CRL')

  const tbs = new DerReader(tbsElement.content)
  const version = tbs.read('version', DER_TAG.integer)
  if (smallInteger(version, 'version') !== 1) {
    throw malformed('the CRL has another version', 'v2 (1)', toHex(version.content.subarray(0, 4)))
  }
  const innerAlgorithm = tbs.read('signature algorithm', DER_TAG.sequence)
  if (!bytesEqual(innerAlgorithm.raw, algorithm.raw)) {
    throw malformed('the two signature algorithms differ', toHex(innerAlgorithm.raw), toHex(algorithm.raw))
  }
  const issuer = tbs.read('issuer', DER_TAG.sequence).raw
  const thisUpdate = timeValue(tbs.read('thisUpdate'), 'thisUpdate')
  const nextUpdate = timeValue(tbs.read('nextUpdate'), 'nextUpdate')
  const revokedList = tbs.optional('revokedCertificates', DER_TAG.sequence)
  const extensionList = tbs.optional('crlExtensions', contextTag(0, true))
  tbs.end('TBSCertList')

  const scheme = signatureScheme(algorithm, 'signature algorithm')
  const signature = bitStringOctets(signatureBits, 'signature')
  return {
    raw: der,
    tbs: tbsElement.raw,
    issuer,
    thisUpdate,
    nextUpdate,
    revoked: revokedList ? revokedSerials(revokedList) : new Set<string>(),
    extensions: extensionList ? parseExtensions(extensionList) : new Map<string, Extension>(),
    scheme,
    signature: scheme ? portSignature(scheme, signature, 'signature') : signature,
  }
}

function revokedSerials(list: DerElement): Set<string> {
  const serials = new Set<string>()
  const reader = new DerReader(list.content)
  while (!reader.done) {
    const entry = reader.sequence('revoked certificate')
    serials.add(serialNumber(entry.read('revoked serialNumber', DER_TAG.integer)))
    timeValue(entry.read('revocationDate'), 'revocationDate')
    const extensions = entry.optional('crlEntryExtensions', DER_TAG.sequence)
    entry.end('revoked certificate')
    if (extensions) requireNoCritical(extensionMap(extensions))
  }
  return serials
}

/** An entry's critical extension could move it to another issuer (certificateIssuer, RFC 5280, 5.3.3). */
function requireNoCritical(extensions: ReadonlyMap<string, Extension>): void {
  for (const [oid, { critical }] of extensions) {
    if (critical) throw malformed('a CRL has an unknown critical extension', 'none', oid)
  }
}

export interface RevocationListRules {
  /** Name of the check, for errors, for example `pck-crl`. */
  readonly check: string
  /** For messages, for example `PCK CRL`. */
  readonly what: string
}

/**
 * Verifies what doesn't depend on the time: the issuer's name and right to sign CRLs, the signature over the bytes that
 * were parsed, and that the list is neither partial nor indirect. The issuer's own chain is the caller's concern.
 */
export async function verifyRevocationListSignature(
  crypto: CryptoPort,
  list: RevocationList,
  issuer: Certificate,
  rules: RevocationListRules,
): Promise<void> {
  const fail = (message: string, expected: string, found: string): EvidenceInvalid =>
    new EvidenceInvalid(rules.check, { message: `verifying the ${rules.what}: ${message}`, expected, found })

  if (!bytesEqual(list.issuer, issuer.subject)) {
    throw fail('it is of another issuer', nameOf(issuer), `issuer name ${toHex(list.issuer).slice(0, 80)}`)
  }
  if (!issuer.keyUsage?.cRLSign) {
    throw fail(`${nameOf(issuer)} may not sign CRLs`, 'keyUsage with cRLSign', 'keyUsage without it')
  }
  for (const [oid, { critical }] of list.extensions) {
    // Among them deltaCRLIndicator and issuingDistributionPoint, which say that the list is not complete.
    if (critical && oid !== OID.cRLNumber) throw fail('it has an unknown critical extension', 'none', oid)
  }
  if (!(await isSignedBy(crypto, list, issuer))) {
    throw fail(
      'its signature is wrong',
      `a signature by ${nameOf(issuer)} over the list as it stands`,
      'another one',
    )
  }
}

/** @throws EvidenceInvalid unless thisUpdate ≤ at ≤ nextUpdate, or a grace period after it */
export function requireRevocationListValidAt(
  list: RevocationList,
  at: Date,
  rules: RevocationListRules,
  forgiven: CollateralRules = {},
): void {
  requireWindow(at, list.thisUpdate, takenUntil(list.nextUpdate, forgiven), {
    check: rules.check,
    what: `the ${rules.what}`,
  })
}

/** @throws EvidenceInvalid when the certificate's serial number is on the list of its own issuer */
export function requireNotRevoked(
  list: RevocationList,
  certificate: Certificate,
  rules: RevocationListRules,
): void {
  if (!bytesEqual(list.issuer, certificate.issuer)) {
    throw new EvidenceInvalid(rules.check, {
      message: `the ${rules.what} says nothing about ${nameOf(certificate)}: they have different issuers`,
      expected: `a CRL of '${certificate.issuerCommonName ?? 'the issuer'}'`,
      found: `issuer name ${toHex(list.issuer).slice(0, 80)}`,
    })
  }
  if (!list.revoked.has(certificate.serial)) return
  throw new EvidenceInvalid(rules.check, {
    message: `${nameOf(certificate)} is revoked by its issuer`,
    expected: `a serial number that is not on the ${rules.what}`,
    found: certificate.serial,
    remedy: 'the keys of this machine must not be trusted any more; use another machine',
  })
}
