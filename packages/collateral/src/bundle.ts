import { BUNDLE_FORMAT, BUNDLE_VERSION } from '@taw/attestation'
import type { BundledDocument } from '@taw/attestation'

/** A bundle (docs/collateral.md) as an object whose `JSON.stringify` is one. */
export interface CollateralBundle {
  readonly format: typeof BUNDLE_FORMAT
  readonly version: typeof BUNDLE_VERSION
  readonly documents: readonly {
    readonly name: string
    /** RFC 3339. */
    readonly fetchedAt: string
    /** PEM. */
    readonly issuerChain?: string
    /** Base64 of the service's answer, byte for byte. */
    readonly body: string
  }[]
}

export function bundleOf(documents: readonly BundledDocument[]): CollateralBundle {
  return {
    format: BUNDLE_FORMAT,
    version: BUNDLE_VERSION,
    documents: documents.map(({ name, fetchedAt, body, issuerChain }) => ({
      name,
      fetchedAt: fetchedAt.toISOString(),
      ...(issuerChain === undefined ? {} : { issuerChain }),
      body: Buffer.from(body).toString('base64'),
    })),
  }
}

/** Writes a bundle as `readCollateralBundle` of @taw/attestation reads it: UTF-8, `format` first, a document a line. */
export function writeBundle(documents: readonly BundledDocument[]): Uint8Array {
  const { format, version, documents: written } = bundleOf(documents)
  const head = `{"format":"${format}","version":${version},"documents":[`
  const lines = written.map((document) => JSON.stringify(document))
  return Uint8Array.from(Buffer.from(`${head}\n${lines.join(',\n')}\n]}\n`))
}
