import {
  NO_AMD_COLLATERAL,
  isHostAnswer,
  mergeAmdCollateral,
  readAmdCollateralFile,
} from '../amd/collateral.ts'
import type { AmdCollateral } from '../amd/collateral.ts'
import { looksLikeCertificateTable } from '../amd/certificate-table.ts'
import { isEndorsement, readEndorsement } from '../amd/endorsement.ts'
import { platformKeysFromJwk } from '../cca/keys.ts'
import type { CcaPlatformKey } from '../cca/keys.ts'
import { isCollateralBundle } from '../core/collateral-bundle.ts'
import { fromUtf8 } from '../core/encoding.ts'
import { decoding, unlessInvalid } from '../core/errors.ts'
import { rawMembers } from '../core/json.ts'
import type { Certificate } from '../core/x509.ts'
import { NO_COLLATERAL, mergeCollateral } from '../intel/collateral.ts'
import type { IntelCollateral, IssuedRevocationList } from '../intel/collateral.ts'
import { readCollateralFile } from '../intel/collateral-files.ts'

/** What vouches for evidence of any kind. All of it was read, none of it is trusted but the platform keys. */
export interface EvidenceCollateral {
  readonly intel: IntelCollateral
  readonly amd: AmdCollateral
  /** The platforms of Arm CCA that are trusted: whoever gives a key says so. */
  readonly ccaPlatformKeys: readonly CcaPlatformKey[]
}

export const NO_EVIDENCE_COLLATERAL: EvidenceCollateral = {
  intel: NO_COLLATERAL,
  amd: NO_AMD_COLLATERAL,
  ccaPlatformKeys: [],
}

export function mergeEvidenceCollateral(...parts: readonly EvidenceCollateral[]): EvidenceCollateral {
  return {
    intel: mergeCollateral(...parts.map(({ intel }) => intel)),
    amd: mergeAmdCollateral(...parts.map(({ amd }) => amd)),
    ccaPlatformKeys: parts.flatMap(({ ccaPlatformKeys }) => ccaPlatformKeys),
  }
}

/**
 * Reads one collateral file of any vendor, known by its content: all that `readCollateralFile` (Intel) and
 * `readAmdCollateralFile` read, and platform keys of Arm CCA as JSON Web Key or key set.
 *
 * @param what its name, for errors
 * @throws EvidenceInvalid `collateral-format` or `platform-key`
 */
export function readEvidenceCollateral(file: Uint8Array, what: string): EvidenceCollateral {
  if (looksLikeCertificateTable(file) || isHostAnswer(file)) {
    return { ...NO_EVIDENCE_COLLATERAL, amd: readAmdCollateralFile(file, what) }
  }
  if (isCollateralBundle(file)) {
    return {
      ...NO_EVIDENCE_COLLATERAL,
      intel: readCollateralFile(file, what),
      amd: readAmdCollateralFile(file, what),
    }
  }
  const ccaPlatformKeys = keysIn(file)
  if (ccaPlatformKeys) return { ...NO_EVIDENCE_COLLATERAL, ccaPlatformKeys }
  return sortedByVendor(readCollateralFile(file, what), what)
}

/**
 * A JSON Web Key has `kty`, a set of them `keys` (RFC 7517, 4.1 and 5.1). RSA keys are known and left alone: they are
 * attestation keys of Azure's vTPMs, and for those the hardware vouches in each piece of evidence.
 *
 * @returns undefined when the file is neither
 */
function keysIn(file: Uint8Array): CcaPlatformKey[] | undefined {
  if (file.length > MAX_KEYS_BYTES) return undefined
  const text = unlessInvalid(() => fromUtf8(file).trim())
  const members = text === undefined ? undefined : unlessInvalid(() => rawMembers(text))
  if (text === undefined || members?.has('kty') !== true) {
    return text !== undefined && members?.has('keys') === true ? platformKeysFromJwk(text) : undefined
  }
  return members.get('kty') === '"RSA"' ? [] : platformKeysFromJwk(text)
}

/** A key has some 200 bytes; a set of 32 fits many times. */
const MAX_KEYS_BYTES = 64 * 1024

/** Common names of AMD's authorities (AMD 57230): ARK-Milan, SEV-Milan, SEV-VLEK-Milan. */
const AMD_AUTHORITY = /^(?:ARK|SEV)-/
/** The common name of a list's issuer, in the DER of its name. */
const AMD_ROOT = /ARK-[A-Z]/

/** Certificates and revocation lists go to the vendor that made them. */
function sortedByVendor(read: IntelCollateral, what: string): EvidenceCollateral {
  const isAmd = (one: Certificate): boolean =>
    isEndorsement(one) || AMD_AUTHORITY.test(one.subjectCommonName ?? '')
  const isAmdList = ({ list }: IssuedRevocationList): boolean =>
    AMD_ROOT.test(new TextDecoder('latin1').decode(list.issuer))
  const amd = read.certificates.filter(isAmd)
  return {
    intel: {
      ...read,
      certificates: read.certificates.filter((one) => !isAmd(one)),
      revocationLists: read.revocationLists.filter((one) => !isAmdList(one)),
    },
    amd: {
      endorsements: decoding('collateral-format', what, () => amd.filter(isEndorsement).map(readEndorsement)),
      intermediates: amd.filter((one) => !isEndorsement(one)),
      revocationLists: read.revocationLists.filter(isAmdList).map(({ list }) => list),
    },
    ccaPlatformKeys: [],
  }
}
