import { CborTagged, cborArray, cborBytes, decodeCbor } from './cbor.ts'
import { DER_TAG, DerReader } from './der.ts'
import { unlessInvalid } from './errors.ts'
import type { Certificate } from './x509.ts'

/** tcg-dice-tagged-evidence, later tcg-dice-conceptual-message-wrapper (TCG DICE Attestation Architecture 1.1, 6.1). */
const DICE_EVIDENCE = '2.23.133.5.4.9'
/** CBOR tags of that extension: Intel's quote, report, and legacy quote and report (IANA's registry, 60000 to 60003). */
const DICE_TAGS = [60000, 60001, 60002, 60003]

/** What extensions hold: each value, and what is in it if it is an OCTET STRING. */
export const extensionContents = ({ extensions }: Certificate): readonly Uint8Array[] =>
  [...extensions.values()].flatMap(({ value }) => {
    const inner = unlessInvalid(() => {
      const reader = new DerReader(value)
      const { content } = reader.read('extension', DER_TAG.octetString)
      return reader.done ? content : undefined
    })
    return [value, ...(inner ? [inner] : [])]
  })

/**
 * Evidence in the DICE extension (RA-TLS of Gramine 1.8 and others): the first of a tagged CBOR array of evidence and
 * claims. The evidence binds the hash of the claims, and those the certificate's key.
 */
export function diceEvidence({ extensions }: Certificate): Uint8Array | undefined {
  const value = extensions.get(DICE_EVIDENCE)?.value
  return (
    value &&
    unlessInvalid(() => {
      const item = decodeCbor(value, { knownTags: DICE_TAGS })
      if (!(item instanceof CborTagged)) return undefined
      const [evidence] = cborArray(item.value, 'the tagged evidence')
      return cborBytes(evidence, 'the evidence')
    })
  )
}
