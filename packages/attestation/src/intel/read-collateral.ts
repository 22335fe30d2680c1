import { bytesEqual } from '../core/bytes.ts'
import { parseRevocationList } from '../core/crl.ts'
import type { RevocationList } from '../core/crl.ts'
import { DER_TAG, DerReader, readSingle } from '../core/der.ts'
import { decodePem, excerpt, fromBase64, fromHex, fromUtf8, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid, decoding, malformed } from '../core/errors.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import { portSignature } from '../core/signature-algorithm.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import { NO_COLLATERAL, markDecoded, mergeCollateral } from './collateral.ts'
import type { IntelCollateral, SignedDocument } from './collateral.ts'
import { JsonObject } from './json-object.ts'
import { parseQeIdentity } from './qe-identity.ts'
import { parseTcbInfo } from './tcb-info.ts'

/** What a provisioning service answers for one platform, in the slots of Intel's `sgx_ql_qve_collateral_t`. */
export interface IntelCollateralParts {
  /** JSON, `{"tcbInfo": …, "signature": …}`, byte for byte as the service sent it. */
  readonly tcbInfo: Uint8Array
  /** PEM, as in the header `TCB-Info-Issuer-Chain` (percent-encoded or not). */
  readonly tcbInfoIssuerChain: Uint8Array
  /** JSON, `{"enclaveIdentity": …, "signature": …}`. */
  readonly qeIdentity: Uint8Array
  readonly qeIdentityIssuerChain: Uint8Array
  /** DER, PEM, hex or base64 of DER. */
  readonly pckCrl: Uint8Array
  readonly pckCrlIssuerChain: Uint8Array
  readonly rootCaCrl: Uint8Array
  /** PEM or DER of the PCK certificate, for quotes that have none inside. */
  readonly pckCertificate?: Uint8Array | undefined
}

/** Check name of everything that can't be read here. */
const CHECK = 'collateral-format'

/** The largest document is a revocation list (see core/crl.ts); hex doubles it. */
const MAX_FILE_BYTES = 8 * 1024 * 1024
/** Some 40 times the TCB info of today. */
const MAX_JSON_CHARACTERS = 1024 * 1024

/** @throws EvidenceInvalid `collateral-format`, naming the part that can't be read */
export function collateralFromParts(parts: IntelCollateralParts): IntelCollateral {
  const tcbInfoChain = readIssuerChain(parts.tcbInfoIssuerChain, 'TCB info issuer chain')
  const qeIdentityChain = readIssuerChain(parts.qeIdentityIssuerChain, 'QE identity issuer chain')
  const pckCrlChain = readIssuerChain(parts.pckCrlIssuerChain, 'PCK CRL issuer chain')
  const pckCrl = single(read(parts.pckCrl, 'PCK CRL').revocationLists, 'PCK CRL')
  const rootCaCrl = single(read(parts.rootCaCrl, 'root CA CRL').revocationLists, 'root CA CRL')
  const tcbInfo = single(read(parts.tcbInfo, 'TCB info').tcbInfos, 'TCB info')
  const qeIdentity = single(read(parts.qeIdentity, 'QE identity').qeIdentities, 'QE identity')
  return {
    tcbInfos: [{ ...tcbInfo, issuerChain: tcbInfoChain }],
    qeIdentities: [{ ...qeIdentity, issuerChain: qeIdentityChain }],
    revocationLists: [{ ...pckCrl, issuerChain: pckCrlChain }, rootCaCrl],
    certificates: parts.pckCertificate
      ? [...read(parts.pckCertificate, 'PCK certificate').certificates, ...pckCrlChain]
      : [],
  }
}

/**
 * Reads one document: TCB info or QE identity (JSON answers of PCS), CRL or certificates (DER, PEM, hex or base64 of DER), or a
 * JSON object with all of them as other verifiers keep it.
 *
 * @param what its name, for errors
 * @throws EvidenceInvalid `collateral-format`
 */
export function readCollateralDocument(file: Uint8Array, what: string): IntelCollateral {
  return read(file, what)
}

function read(file: Uint8Array, what: string): IntelCollateral {
  return decoding(CHECK, what, () => {
    if (file.length === 0)
      throw malformed('it is empty', 'TCB info, QE identity, CRL or certificates', '0 bytes')
    if (file.length > MAX_FILE_BYTES) {
      throw malformed('it is too large', `at most ${MAX_FILE_BYTES} bytes`, `${file.length} bytes`)
    }
    // A copy, so that what was read can't change before it is verified.
    const bytes = new Uint8Array(file)
    return isDer(bytes) ? readDer(bytes) : readText(trimmed(fromUtf8(bytes)))
  })
}

/** A SEQUENCE, and not the text `0x`, which would be one of 120 bytes: no certificate or list is that short. */
const isDer = ([tag, length]: Uint8Array): boolean => tag === DER_TAG.sequence && length !== 0x78

/** Without white space around it, and without the NUL that C programs leave at the end. */
const trimmed = (text: string): string => text.replace(/\0$/, '').trim()

function readText(text: string): IntelCollateral {
  if (text.startsWith('{')) return readJson(text)
  if (text.includes('-----BEGIN')) return readPem(percentDecoded(text))
  // A DER SEQUENCE in hex, or in base64: its length has two octets or more.
  const digits = text.replace(/^0[xX]/, '').replace(/\s+/g, '')
  if (/^30[0-9a-fA-F]{6}/.test(digits)) return readDer(fromHex(digits))
  if (/^MI[E-P][A-Za-z0-9+/_-]{4}/.test(digits)) return readDer(fromBase64(digits))
  throw malformed('it is no collateral', 'JSON, PEM, DER, or hex or base64 of DER', excerpt(text))
}

/** PCS sends chains percent-encoded in headers. */
function percentDecoded(text: string): string {
  if (!text.startsWith('-----BEGIN%20')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed('it is badly percent-encoded', 'percent-encoded PEM', excerpt(text))
  }
}

/** A certificate's TBS starts with an explicit version `[0]`, a CRL's with an INTEGER. */
function readDer(bytes: Uint8Array): IntelCollateral {
  const der = withoutTerminator(bytes)
  const outer = new DerReader(readSingle(der, 'DER structure', DER_TAG.sequence).content)
  const content = new DerReader(outer.read('signed part', DER_TAG.sequence).content)
  return content.nextTag === DER_TAG.integer
    ? withLists([parseRevocationList(der)])
    : { ...NO_COLLATERAL, certificates: [parseCertificate(der)] }
}

/** Open Enclave's endorsements have a NUL after some CRLs in DER. */
function withoutTerminator(bytes: Uint8Array): Uint8Array {
  const { raw } = new DerReader(bytes).read('DER structure', DER_TAG.sequence)
  return raw.length === bytes.length - 1 && bytes.at(-1) === 0 ? raw : bytes
}

function readPem(text: string): IntelCollateral {
  const blocks = decodePem(text)
  if (blocks.length === 0) throw malformed('it has no PEM block', 'at least one', excerpt(text))
  return mergeCollateral(
    ...blocks.map(({ label, bytes }) => {
      if (label === 'CERTIFICATE') return { ...NO_COLLATERAL, certificates: [parseCertificate(bytes)] }
      if (label === 'X509 CRL') return withLists([parseRevocationList(bytes)])
      throw malformed('it has a PEM block of another kind', 'CERTIFICATE or X509 CRL', excerpt(label))
    }),
  )
}

const withLists = (lists: readonly RevocationList[]): IntelCollateral => ({
  ...NO_COLLATERAL,
  revocationLists: lists.map((list) => ({ list, issuerChain: undefined })),
})

function readJson(text: string): IntelCollateral {
  if (text.length > MAX_JSON_CHARACTERS) {
    throw malformed(
      'it is too large',
      `at most ${MAX_JSON_CHARACTERS} characters`,
      `${text.length} characters`,
    )
  }
  const members = rawMembers(text)
  const tcbInfo = members.get('tcbInfo')
  const enclaveIdentity = members.get('enclaveIdentity')
  if (tcbInfo !== undefined && enclaveIdentity === undefined) {
    return withTcbInfo(tcbInfo, hexSignature(stringMember(members, 'signature')))
  }
  if (enclaveIdentity !== undefined && tcbInfo === undefined) {
    return withQeIdentity(enclaveIdentity, hexSignature(stringMember(members, 'signature')))
  }
  if (members.has('tcb_info') && members.has('qe_identity')) return readSlots(members)
  if (members.has('raw_tcb_info')) return readRawTcbInfo(members)
  throw malformed(
    'it is a JSON object of an unknown kind',
    "one with 'tcbInfo' or 'enclaveIdentity', or with the members of another verifier's bundle",
    excerpt([...members.keys()].join(', ')),
  )
}

/** All slots in one object, as `dcap-qvl` keeps them: documents as text, signatures and CRLs in hex, chains in PEM. */
function readSlots(members: ReadonlyMap<string, string>): IntelCollateral {
  const bytes = (name: string): Uint8Array => toUtf8(stringMember(members, name))
  const document = (inner: string, name: string): Uint8Array =>
    toUtf8(
      `{"${inner}":${stringMember(members, name)},"signature":"${stringMember(members, `${name}_signature`)}"}`,
    )
  return collateralFromParts({
    tcbInfo: document('tcbInfo', 'tcb_info'),
    tcbInfoIssuerChain: bytes('tcb_info_issuer_chain'),
    qeIdentity: document('enclaveIdentity', 'qe_identity'),
    qeIdentityIssuerChain: bytes('qe_identity_issuer_chain'),
    pckCrl: bytes('pck_crl'),
    pckCrlIssuerChain: bytes('pck_crl_issuer_chain'),
    rootCaCrl: bytes('root_ca_crl'),
    pckCertificate: members.has('pck_certificate_chain') ? bytes('pck_certificate_chain') : undefined,
  })
}

/** As Fortanix's tools keep it: the document as text, the signature in DER as a list of numbers, the chain as PEM texts. */
function readRawTcbInfo(members: ReadonlyMap<string, string>): IntelCollateral {
  const signature = parseJson(members.get('signature') ?? 'null')
  const chain = parseJson(members.get('ca_chain') ?? 'null')
  const isBytes =
    Array.isArray(signature) &&
    signature.length <= 80 &&
    signature.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)
  if (!isBytes || !Array.isArray(chain)) {
    throw malformed(
      "'signature' or 'ca_chain' is malformed",
      'lists of bytes and of PEM texts',
      'something else',
    )
  }
  const certificates = leafFirst(
    chain.flatMap((pem) => (typeof pem === 'string' ? readPem(pem).certificates : [])),
    'ca_chain',
  )
  const raw = portSignature('ecdsa-p256-sha256', Uint8Array.from(signature.map(Number)), 'signature')
  const { tcbInfos } = withTcbInfo(stringMember(members, 'raw_tcb_info'), raw)
  return { ...NO_COLLATERAL, tcbInfos: tcbInfos.map((info) => ({ ...info, issuerChain: certificates })) }
}

function withTcbInfo(text: string, signature: Uint8Array): IntelCollateral {
  return { ...NO_COLLATERAL, tcbInfos: [signedDocument(text, signature, 'tcbInfo', parseTcbInfo)] }
}

function withQeIdentity(text: string, signature: Uint8Array): IntelCollateral {
  return {
    ...NO_COLLATERAL,
    qeIdentities: [signedDocument(text, signature, 'enclaveIdentity', parseQeIdentity)],
  }
}

function signedDocument<Content>(
  text: string,
  signature: Uint8Array,
  name: string,
  parse: (document: JsonObject) => Content,
): SignedDocument<Content> {
  const content = parse(new JsonObject(parseJson(text), name))
  return markDecoded({ content, signedBytes: toUtf8(text), signature, issuerChain: undefined })
}

function stringMember(members: ReadonlyMap<string, string>, name: string): string {
  const value = parseJson(members.get(name) ?? 'null')
  if (typeof value !== 'string')
    throw malformed(`'${name}' is missing or malformed`, 'a string', typeof value)
  return value
}

/** Intel writes r‖s in hex. */
function hexSignature(text: string): Uint8Array {
  const signature = fromHex(text)
  if (signature.length !== 64) {
    throw malformed("'signature' has a bad length", '64 bytes (r‖s)', `${signature.length} bytes`)
  }
  return signature
}

/** @throws EvidenceInvalid `collateral-format` */
export function readIssuerChain(file: Uint8Array, what: string): readonly Certificate[] {
  const { certificates } = read(file, what)
  return decoding(CHECK, what, () => leafFirst(certificates, what))
}

/** Issuer chains come in either order. The leaf is the one that issued none of the others. */
export function leafFirst(certificates: readonly Certificate[], what: string): readonly Certificate[] {
  const isIssuer = (one: Certificate): boolean =>
    certificates.some((other) => other !== one && bytesEqual(other.issuer, one.subject))
  const leaves = certificates.filter((one) => !isIssuer(one))
  const [leaf] = leaves
  if (!leaf || leaves.length > 1) {
    throw malformed(
      `the certificates of the ${what} form no chain`,
      'one leaf and its issuers',
      `${leaves.length} leaves`,
    )
  }
  return [leaf, ...certificates.filter((one) => one !== leaf)]
}

function single<Item>(items: readonly Item[], what: string): Item {
  const [item] = items
  if (item !== undefined && items.length === 1) return item
  throw new EvidenceInvalid(CHECK, {
    message: `reading ${what}: the bytes are something else`,
    expected: `one ${what}`,
    found: `${items.length} of them`,
  })
}
