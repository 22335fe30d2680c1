import { DER_TAG, DerReader, readSingle } from '../core/der.ts'
import { fromHex } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { parseCertificate } from '../core/x509.ts'

/** subjectAltName (RFC 5280, 4.2.1.6), and its dNSName choice `[2]`. */
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17'
const DNS_NAME = 0x82
/**
 * COSE_Sign1 of ES384, with tag 18 or without: an array of four whose first item is the protected header. In hex, as the first
 * label of a name.
 */
const DOCUMENT_LABEL = /^((?:d2)?8444a1013822[0-9a-f]+)(?:\.|$)/i

/**
 * Finds a Nitro document in what tools keep: the bare COSE_Sign1, or a TLS certificate (DER) that has it in hex in one
 * of its DNS names. Whether the document binds the certificate's key is for the caller to check.
 *
 * @returns undefined when it is neither
 */
export function findNitroDocument(bytes: Uint8Array): Uint8Array | undefined {
  const [first, second] = bytes
  if (first === 0x84 || (first === 0xd2 && second === 0x84)) return Uint8Array.from(bytes)
  if (first !== DER_TAG.sequence) return undefined
  try {
    return documentInCertificate(bytes)
  } catch (error) {
    if (error instanceof EvidenceInvalid) return undefined
    throw error
  }
}

function documentInCertificate(der: Uint8Array): Uint8Array | undefined {
  const extension = parseCertificate(der).extensions.get(SUBJECT_ALTERNATIVE_NAME)
  if (!extension) return undefined
  const names = new DerReader(readSingle(extension.value, 'subjectAltName', DER_TAG.sequence).content)
  while (!names.done) {
    const { tag, content } = names.read('alternative name')
    const name = tag === DNS_NAME ? new TextDecoder().decode(content) : ''
    const document = DOCUMENT_LABEL.exec(name)?.[1]
    if (document !== undefined) return fromHex(document)
  }
  return undefined
}
