import { isAllZero } from '../core/bytes.ts'
import {
  cborArray,
  cborBytes,
  cborInteger,
  cborMap,
  cborOptional,
  cborText,
  decodeCbor,
} from '../core/cbor.ts'
import type { CborMap } from '../core/cbor.ts'
import { parseCoseSign1 } from '../core/cose.ts'
import type { CoseSign1 } from '../core/cose.ts'
import { toHex } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'

/** Genuine documents have 4 to 5 KB; with the largest public key, user data and nonce some 12 KB. */
const MAX_DOCUMENT_BYTES = 64 * 1024
/** The end of the year 9999, up to where RFC 3339 can write times. */
const LAST_TIMESTAMP = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
/** SHA-384; bytes. */
const PCR_LENGTH = 48
/** AWS Nitro Enclaves, attestation_process.md: indexes are 0 to 31. */
const MAX_PCR_INDEX = 31
/** The root, the region's and the zone's authority, and the instance; verification allows a few more. */
const MAX_CABUNDLE = 7
/** PCRs that measure the image: the whole of it, kernel and boot ramdisk, the application. */
export const IMAGE_PCRS = [0, 1, 2] as const

/** The content of an attestation document (AWS Nitro Enclaves, attestation_process.md). Read, not verified. */
export interface NitroDocument {
  /** The enclave and its parent instance. */
  readonly moduleId: string
  readonly digest: 'SHA384'
  /** Milliseconds since 1970, by the hypervisor's clock. */
  readonly timestamp: number
  /** Lower-case hex by index. Those not in use are there too, with zeros; how many there are may change. */
  readonly pcrs: Readonly<Record<string, string>>
  /** All of PCR0 to PCR2 are zero: the enclave runs in debug mode, and the parent instance reads its console. */
  readonly debug: boolean
  /** Lower-case hex; undefined when the enclave gave none. */
  readonly publicKey: string | undefined
  readonly userData: string | undefined
  readonly nonce: string | undefined
}

/** A document with its signature and certificates, DER. */
export interface NitroMessage {
  readonly cose: CoseSign1
  readonly document: NitroDocument
  /** Names of the payload's members, in its order; what AWS may add is there too. */
  readonly keys: readonly string[]
  readonly certificate: Uint8Array
  /** The root first. */
  readonly cabundle: readonly Uint8Array[]
}

/**
 * Reads an attestation document: COSE_Sign1, tagged or not, with nothing after it.
 *
 * @throws EvidenceInvalid `document-format`
 */
export function parseNitroDocument(bytes: Uint8Array): NitroMessage {
  return decoding('document-format', 'the Nitro attestation document', () => {
    if (bytes.length > MAX_DOCUMENT_BYTES) {
      throw malformed('it is too large', `at most ${MAX_DOCUMENT_BYTES} bytes`, `${bytes.length} bytes`)
    }
    const cose = parseCoseSign1(bytes)
    // Some versions of the hypervisor write the outermost map with an indefinite length.
    const payload = cborMap(decodeCbor(cose.payload, { indefiniteOutermostMap: true }), 'the payload')
    return {
      cose,
      document: readDocument(payload),
      keys: [...payload.keys()].filter((key) => typeof key === 'string'),
      certificate: cborBytes(payload.get('certificate'), 'certificate'),
      cabundle: readBundle(payload.get('cabundle')),
    }
  })
}

function readDocument(payload: CborMap): NitroDocument {
  const digest = cborText(payload.get('digest'), 'digest')
  if (digest !== 'SHA384')
    throw malformed('digest is another algorithm', 'SHA384', `'${digest.slice(0, 20)}'`)
  const timestamp = cborInteger(payload.get('timestamp'), 'timestamp')
  if (timestamp <= 0 || timestamp > LAST_TIMESTAMP) {
    throw malformed('timestamp is out of range', 'milliseconds from 1970 to 9999', String(timestamp))
  }
  const pcrs = readPcrs(cborMap(payload.get('pcrs'), 'pcrs'))
  const hex = (name: string): string | undefined => {
    const value = cborOptional(payload.get(name), name, cborBytes)
    return value && toHex(value)
  }
  return {
    moduleId: cborText(payload.get('module_id'), 'module_id'),
    digest,
    timestamp,
    pcrs: Object.fromEntries([...pcrs].map(([index, value]) => [index, toHex(value)])),
    debug: IMAGE_PCRS.every((index) => isAllZero(pcrs.get(index) ?? new Uint8Array(0))),
    publicKey: hex('public_key'),
    userData: hex('user_data'),
    nonce: hex('nonce'),
  }
}

function readPcrs(map: CborMap): ReadonlyMap<number, Uint8Array> {
  const pcrs = new Map<number, Uint8Array>()
  for (const [key, item] of map) {
    const index = cborInteger(key, 'the index of a PCR')
    if (index < 0 || index > MAX_PCR_INDEX) {
      throw malformed('the index of a PCR is out of range', `0 to ${MAX_PCR_INDEX}`, String(index))
    }
    const value = cborBytes(item, `PCR${index}`)
    if (value.length !== PCR_LENGTH) {
      throw malformed(`PCR${index} has another length`, `${PCR_LENGTH} bytes`, `${value.length} bytes`)
    }
    pcrs.set(index, value)
  }
  const missing = IMAGE_PCRS.find((index) => !pcrs.has(index))
  if (missing !== undefined) throw malformed(`PCR${missing} is missing`, 'PCR0 to PCR2', 'none')
  return pcrs
}

function readBundle(item: unknown): Uint8Array[] {
  const bundle = cborArray(item, 'cabundle')
  if (bundle.length === 0 || bundle.length > MAX_CABUNDLE) {
    throw malformed('cabundle has a bad length', `1 to ${MAX_CABUNDLE} certificates`, String(bundle.length))
  }
  return bundle.map((one) => cborBytes(one, 'a certificate of cabundle'))
}
