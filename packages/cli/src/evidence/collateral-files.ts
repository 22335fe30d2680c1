import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import {
  EvidenceInvalid,
  NO_EVIDENCE_COLLATERAL,
  failureSentence,
  findEvidence,
  genuineAmdRoots,
  mergeEvidenceCollateral,
  readEvidenceCollateral,
} from '@taw/attestation'
import type { AmdCollateral, EvidenceCollateral, FoundEvidence } from '@taw/attestation'
import { printable } from '@taw/client'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'
import { UNUSABLE } from './exit-codes.ts'

/** Files that are read of one folder, and levels of folders. Ten years of one platform's collateral are some hundred. */
const maxFiles = 20_000
const maxDepth = 16
/** Names of a warning's files; the rest is counted. */
const shownFiles = 5

/**
 * Reads collateral from files and folders, each file known by its content.
 *
 * A file that was named must be collateral. In a folder other files may lie about: those that are none are skipped, and so
 * are those that are damaged, with a warning. Only a damaged revocation list is an error in a folder too: all else that is
 * missing makes the verdict stricter, a list that is missing may not.
 *
 * @param at the time of the verification
 * @throws CliError (exit code 2)
 */
export function readCollateral(
  places: readonly string[],
  at: Date,
  warn: (line: string) => void,
): EvidenceCollateral {
  const inFolders = new Map<RevocationList, string>()
  const parts = places.map((place) => {
    const found = attempt(place, () => statSync(place))
    return found.isDirectory() ? readFolder(place, inFolders, warn) : readNamed(place)
  })
  return withoutStaleLists(mergeEvidenceCollateral(...parts), inFolders, at, warn)
}

function readNamed(file: string): EvidenceCollateral {
  const bytes = readInput(file, 'the collateral', UNUSABLE)
  const read = readFile(bytes, file)
  if (!(read instanceof EvidenceInvalid)) return read
  throw new CliError(`Reading the collateral ${JSON.stringify(file)}: ${printable(failureSentence(read))}`, {
    exitCode: UNUSABLE,
    cause: read,
  })
}

/** @param lists gets the AMD revocation lists that are found, with the names of their files */
function readFolder(
  folder: string,
  lists: Map<RevocationList, string>,
  warn: (line: string) => void,
): EvidenceCollateral {
  const unrelated: string[] = []
  const damaged: string[] = []
  const parts = filesBelow(folder).map((file) => {
    const bytes = readInput(file, 'the collateral', UNUSABLE)
    const read = readFile(bytes, file)
    if (!(read instanceof EvidenceInvalid)) {
      for (const list of read.amd.revocationLists) lists.set(list, file)
      return read
    }
    if (isRevocationList(bytes, file)) {
      throw new CliError(
        `Reading the revocation list ${JSON.stringify(file)}: ${printable(failureSentence(read))}; replace it, or take it away`,
        { exitCode: UNUSABLE, cause: read },
      )
    }
    ;(looksLikeCollateral(bytes) && !isEvidence(bytes) ? damaged : unrelated).push(
      path.relative(folder, file),
    )
    return NO_EVIDENCE_COLLATERAL
  })
  warnOf(warn, `Not used, because damaged: in ${JSON.stringify(folder)}`, damaged)
  warnOf(warn, `Not used, because no collateral: in ${JSON.stringify(folder)}`, unrelated)
  return mergeEvidenceCollateral(...parts)
}

function warnOf(warn: (line: string) => void, what: string, files: readonly string[]): void {
  if (files.length === 0) return
  const names = files.slice(0, shownFiles).map((name) => JSON.stringify(name))
  const more = files.length > shownFiles ? ` and ${files.length - shownFiles} more` : ''
  warn(printable(`${what} ${names.join(', ')}${more}`))
}

/** Collateral, or what lies beside evidence in the same file (a bundle, a report with its certificate table). */
function readFile(bytes: Uint8Array, file: string): EvidenceCollateral | EvidenceInvalid {
  try {
    return readEvidenceCollateral(bytes, JSON.stringify(file))
  } catch (error) {
    if (!(error instanceof EvidenceInvalid)) throw error
    return besideEvidence(bytes) ?? error
  }
}

function besideEvidence(bytes: Uint8Array): EvidenceCollateral | undefined {
  const collateral = evidenceIn(bytes)?.collateral
  return collateral && isSomething(collateral) ? collateral : undefined
}

function evidenceIn(bytes: Uint8Array): FoundEvidence | undefined {
  try {
    return findEvidence(bytes)
  } catch (error) {
    if (error instanceof EvidenceInvalid) return undefined
    throw error
  }
}

/** Quotes have PEM inside, and lie beside their collateral. */
const isEvidence = (bytes: Uint8Array): boolean => evidenceIn(bytes) !== undefined

const isSomething = ({ intel, amd, ccaPlatformKeys }: EvidenceCollateral): boolean =>
  [
    intel.tcbInfos,
    intel.qeIdentities,
    intel.revocationLists,
    intel.certificates,
    amd.endorsements,
    amd.intermediates,
    amd.revocationLists,
    ccaPlatformKeys,
  ].some((items) => items.length > 0)

type RevocationList = AmdCollateral['revocationLists'][number]

/**
 * AMD publishes a list for each product line, and folders keep old ones. One that is out of date, and names no authority
 * that the verification could use, has nothing to say. (One that was named on the command line stays, and fails the
 * verification when it is out of date.)
 */
function withoutStaleLists(
  collateral: EvidenceCollateral,
  inFolders: ReadonlyMap<RevocationList, string>,
  at: Date,
  warn: (line: string) => void,
): EvidenceCollateral {
  const { amd } = collateral
  const authorities = [
    ...genuineAmdRoots().flatMap(({ intermediates }) => intermediates),
    ...amd.intermediates,
  ]
  const isStale = (list: RevocationList): boolean =>
    inFolders.has(list) &&
    (at < list.thisUpdate || at > list.nextUpdate) &&
    !authorities.some(
      ({ issuer, serial }) => list.revoked.has(serial) && Buffer.from(issuer).equals(list.issuer),
    )
  const stale = amd.revocationLists.filter(isStale)
  warnOf(
    warn,
    'Not used, because they are revocation lists of another time:',
    stale.map((list) => inFolders.get(list) ?? ''),
  )
  return {
    ...collateral,
    amd: { ...amd, revocationLists: amd.revocationLists.filter((list) => !stale.includes(list)) },
  }
}

function filesBelow(folder: string, depth = 0): string[] {
  if (depth > maxDepth) throw tooMuch(folder, `folders more than ${maxDepth} levels deep`)
  const entries = attempt(folder, () => readdirSync(folder, { withFileTypes: true }))
  const files = entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const full = path.join(folder, entry.name)
      if (entry.isDirectory()) return filesBelow(full, depth + 1)
      // A link to a file counts (Kubernetes mounts are made of them), one to a folder may lead in circles.
      const isFile = entry.isSymbolicLink()
        ? statSync(full, { throwIfNoEntry: false })?.isFile() === true
        : entry.isFile()
      return isFile ? [full] : []
    })
  if (files.length > maxFiles) throw tooMuch(folder, `more than ${maxFiles} files`)
  return files
}

const tooMuch = (folder: string, found: string): CliError =>
  new CliError(`Reading the collateral in ${JSON.stringify(folder)}: there are ${found}`, {
    exitCode: UNUSABLE,
  })

function attempt<Result>(place: string, action: () => Result): Result {
  try {
    return action()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(`Reading the collateral ${JSON.stringify(place)}: ${reason}`, {
      exitCode: UNUSABLE,
      cause: error,
    })
  }
}

const start = (bytes: Uint8Array, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, length)).toString('latin1')

/** By its PEM label, by its name, or as DER: CertificateList's signed part starts with its version (RFC 5280, 5.1). */
function isRevocationList(bytes: Uint8Array, file: string): boolean {
  if (start(bytes, 64 * 1024).includes('-----BEGIN X509 CRL-----')) return true
  if (/crl|revo/i.test(path.basename(file))) return true
  return CRL_START.test(Buffer.from(bytes.subarray(0, 20)).toString('hex'))
}

/** SEQUENCE, SEQUENCE, INTEGER 1, SEQUENCE: each length in the long or the short form (X.690, 8.1.3). */
const CRL_START = /^(?:30(?:[0-7].|81..|82.{4}|83.{6})){2}02010130/

/** JSON of Intel's services, PEM or DER: what a user would expect to be used. */
function looksLikeCollateral(bytes: Uint8Array): boolean {
  const text = start(bytes, 4096)
  return /^\s*\{/.test(text)
    ? /"(tcbInfo|enclaveIdentity|tcb_info|raw_tcb_info)"/.test(text)
    : /-----BEGIN (?:CERTIFICATE|X509)/.test(text) || (bytes[0] === 0x30 && bytes[1] === 0x82)
}
