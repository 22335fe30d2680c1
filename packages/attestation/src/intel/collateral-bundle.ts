import type { BundledDocument } from '../core/collateral-bundle.ts'
import { toUtf8 } from '../core/encoding.ts'
import { NO_COLLATERAL, mergeCollateral } from './collateral.ts'
import type { IntelCollateral } from './collateral.ts'
import { readCollateralDocument, readIssuerChain } from './read-collateral.ts'

/** What of a bundle is about Intel's platforms. */
export function collateralFromBundle(documents: readonly BundledDocument[]): IntelCollateral {
  const intel = documents.filter(({ name }) => name.startsWith('intel-'))
  return mergeCollateral(NO_COLLATERAL, ...intel.map(readBundledDocument))
}

/**
 * Reads one answer of a provisioning service. The chain that came along becomes that of the document, and no other is
 * accepted for it then.
 *
 * @throws EvidenceInvalid `collateral-format`
 */
export function readBundledDocument({
  name,
  body,
  issuerChain,
}: Pick<BundledDocument, 'name' | 'body' | 'issuerChain'>): IntelCollateral {
  const read = readCollateralDocument(body, name)
  if (issuerChain === undefined) return read
  const chain = readIssuerChain(toUtf8(issuerChain), `issuer chain of ${name}`)
  return {
    tcbInfos: read.tcbInfos.map((document) => ({ ...document, issuerChain: chain })),
    qeIdentities: read.qeIdentities.map((document) => ({ ...document, issuerChain: chain })),
    revocationLists: read.revocationLists.map((list) => ({ ...list, issuerChain: chain })),
    certificates: read.certificates.length > 0 ? [...read.certificates, ...chain] : [],
  }
}
