import { isCollateralBundle, readCollateralBundle } from '../core/collateral-bundle.ts'
import { parseRevocationList } from '../core/crl.ts'
import type { RevocationList } from '../core/crl.ts'
import { DER_TAG, DerReader, readSingle } from '../core/der.ts'
import { decodePem, excerpt, fromUtf8, toUtf8 } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import { looksLikeCertificateTable, parseCertificateTable } from './certificate-table.ts'
import { isEndorsement, readEndorsement } from './endorsement.ts'
import type { SnpEndorsement } from './endorsement.ts'

/**
 * What vouches for SEV-SNP reports. All of it was read, none of it is trusted: the verifier picks what fits a report and
 * the time, and verifies that. Make one with `amdCollateralFromFiles`, once, and use it for many reports.
 */
export interface AmdCollateral {
  /** VCEK and VLEK certificates. */
  readonly endorsements: readonly SnpEndorsement[]
  /** Other certificates: ASK, ASVK. An ARK may be there, but is not trusted for that. */
  readonly intermediates: readonly Certificate[]
  readonly revocationLists: readonly RevocationList[]
}

export const NO_AMD_COLLATERAL: AmdCollateral = { endorsements: [], intermediates: [], revocationLists: [] }

export function mergeAmdCollateral(...parts: readonly AmdCollateral[]): AmdCollateral {
  return {
    endorsements: parts.flatMap((part) => part.endorsements),
    intermediates: parts.flatMap((part) => part.intermediates),
    revocationLists: parts.flatMap((part) => part.revocationLists),
  }
}

/** Certificates have 1 to 2 KB, chains 5, CRLs 1, tables 7. */
const MAX_FILE_BYTES = 256 * 1024
const CHECK = 'collateral-format'

/**
 * Reads collateral files, each known by its content: certificates and revocation lists (DER or PEM), and certificate
 * tables as extended guest requests and configfs-tsm's `auxblob` give them, what Azure's hosts answer, and our own bundles (docs/collateral.md; what is
 * about Intel in them is left alone). A file that is empty or none of these is an error, never skipped.
 *
 * @throws EvidenceInvalid `collateral-format`
 */
export function amdCollateralFromFiles(files: readonly Uint8Array[]): AmdCollateral {
  return mergeAmdCollateral(
    ...files.map((file, index) =>
      readAmdCollateralFile(file, `collateral file ${index + 1} of ${files.length}`),
    ),
  )
}

/**
 * Reads one file, as {@link amdCollateralFromFiles} does.
 *
 * @param what its name, for errors
 */
export function readAmdCollateralFile(file: Uint8Array, what: string): AmdCollateral {
  if (isCollateralBundle(file)) {
    const documents = readCollateralBundle(file, what).filter(({ name }) => name.startsWith('amd-'))
    return mergeAmdCollateral(...documents.map(({ name, body }) => readPlainFile(body, name)))
  }
  return readPlainFile(file, what)
}

/** Anything but a bundle. */
function readPlainFile(file: Uint8Array, what: string): AmdCollateral {
  return decoding(CHECK, what, () => {
    if (file.length > MAX_FILE_BYTES) {
      throw malformed('it is too large', `at most ${MAX_FILE_BYTES} bytes`, `${file.length} bytes`)
    }
    // A copy, so that what was read can't change before it is verified.
    const bytes = Uint8Array.from(file)
    if (isHostAnswer(bytes)) return readHostAnswer(fromUtf8(bytes))
    return looksLikeCertificateTable(bytes) ? readTable(bytes) : readItem(bytes)
  })
}

/** Members of what Azure's hosts answer their VMs (Trusted Hardware Identity Management, `/metadata/THIM/amd/certification`). */
const HOST_ANSWER = { vcek: 'vcekCert', issuers: 'certificateChain' } as const

/** Whether a file is JSON of Azure's host about the machine's VCEK. */
export function isHostAnswer(file: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(file.subarray(0, MAX_FILE_BYTES))
  return /^\s*\{/.test(text) && text.includes(`"${HOST_ANSWER.vcek}"`)
}

function readHostAnswer(json: string): AmdCollateral {
  const members = rawMembers(json)
  const pems = [HOST_ANSWER.vcek, HOST_ANSWER.issuers].flatMap((name) => {
    const value = parseJson(members.get(name) ?? 'null')
    if (typeof value === 'string') return [value]
    if (value === null && name === HOST_ANSWER.issuers) return []
    throw malformed(`'${name}' is malformed`, 'a PEM text', typeof value)
  })
  return mergeAmdCollateral(...pems.map((text) => readItem(toUtf8(text))))
}

/** Entries of unknown GUIDs are skipped: the table is made to be extended. */
function readTable(bytes: Uint8Array): AmdCollateral {
  const entries = parseCertificateTable(bytes).filter(({ name }) => name !== undefined)
  return mergeAmdCollateral(...entries.map((entry) => readItem(entry.bytes)))
}

function readItem(bytes: Uint8Array): AmdCollateral {
  if (bytes[0] === DER_TAG.sequence) return readDer(bytes)
  const text = fromUtf8(bytes)
  const blocks = decodePem(text)
  if (blocks.length === 0) {
    throw malformed('it is no collateral', 'a certificate, a CRL or a certificate table', excerpt(text))
  }
  return mergeAmdCollateral(
    ...blocks.map(({ label, bytes: der }) => {
      if (label !== 'CERTIFICATE' && label !== 'X509 CRL') {
        throw malformed('it has a PEM block of another kind', 'CERTIFICATE or X509 CRL', excerpt(label))
      }
      return readDer(der)
    }),
  )
}

/** A certificate's TBS starts with an explicit version `[0]`, a CRL's with an INTEGER (RFC 5280, 4.1 and 5.1). */
function readDer(der: Uint8Array): AmdCollateral {
  const outer = new DerReader(readSingle(der, 'DER structure', DER_TAG.sequence).content)
  const signed = new DerReader(outer.read('signed part', DER_TAG.sequence).content)
  if (signed.nextTag === DER_TAG.integer) {
    return { ...NO_AMD_COLLATERAL, revocationLists: [parseRevocationList(der)] }
  }
  const certificate = parseCertificate(der)
  return isEndorsement(certificate)
    ? { ...NO_AMD_COLLATERAL, endorsements: [readEndorsement(certificate)] }
    : { ...NO_AMD_COLLATERAL, intermediates: [certificate] }
}
