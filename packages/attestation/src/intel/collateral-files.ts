import { isCollateralBundle, readCollateralBundle } from '../core/collateral-bundle.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import {
  collateralFromOpenEnclave,
  collateralFromQuoteLibrary,
  isOpenEnclaveEndorsements,
  isQuoteLibraryCollateral,
} from './collateral-blobs.ts'
import { mergeCollateral } from './collateral.ts'
import type { IntelCollateral } from './collateral.ts'
import { collateralFromBundle } from './collateral-bundle.ts'
import { findQuote } from './containers.ts'
import { readCollateralDocument } from './read-collateral.ts'

/** Oasis' bundle is a CBOR map of two. */
const CBOR_MAP_OF_2 = 0xa2

/**
 * Reads collateral files, each known by its content: TCB info and QE identity (JSON answers of PCS), CRLs and certificates
 * (DER, PEM, hex or base64 of DER), our own bundles (docs/collateral.md; what is about AMD in them is left alone), and those of `dcap-qvl`, Fortanix, Oasis, Open Enclave and Intel's quote library. A file
 * that is empty or none of these is an error, never skipped.
 *
 * @throws EvidenceInvalid `collateral-format`
 */
export function collateralFromFiles(files: readonly Uint8Array[]): IntelCollateral {
  return mergeCollateral(
    ...files.map((file, index) =>
      readCollateralFile(file, `collateral file ${index + 1} of ${files.length}`),
    ),
  )
}

/**
 * Reads one file, as {@link collateralFromFiles} does.
 *
 * @param what its name, for errors
 */
export function readCollateralFile(file: Uint8Array, what: string): IntelCollateral {
  if (isCollateralBundle(file)) return collateralFromBundle(readCollateralBundle(file, what))
  if (isOpenEnclaveEndorsements(file)) return collateralFromOpenEnclave(file)
  if (isQuoteLibraryCollateral(file)) return collateralFromQuoteLibrary(file)
  if (file[0] !== CBOR_MAP_OF_2) return readCollateralDocument(file, what)
  const bundle = findQuote(file)
  if (bundle) return bundle.collateral
  throw new EvidenceInvalid('collateral-format', {
    message: `reading ${what}: it is CBOR of an unknown kind`,
    expected: 'a bundle of a quote and its TCB information',
    found: `${file.length} other bytes`,
  })
}
