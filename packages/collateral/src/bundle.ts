import { BUNDLE_FORMAT, BUNDLE_VERSION } from '@taw/attestation'
import type { BundledDocument } from '@taw/attestation'

/** Writes a bundle as `readCollateralBundle` of @taw/attestation reads it: UTF-8, `format` first, a document a line. */
export function writeBundle(documents: readonly BundledDocument[]): Uint8Array {
  const lines = documents.map(({ name, fetchedAt, body, issuerChain }) =>
    JSON.stringify({
      name,
      fetchedAt: fetchedAt.toISOString(),
      ...(issuerChain === undefined ? {} : { issuerChain }),
      body: Buffer.from(body).toString('base64'),
    }),
  )
  const head = `{"format":"${BUNDLE_FORMAT}","version":${BUNDLE_VERSION},"documents":[`
  return Uint8Array.from(Buffer.from(`${head}\n${lines.join(',\n')}\n]}\n`))
}
