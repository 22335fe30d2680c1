import { ByteReader, ByteWriter, CodecError } from '../../../state/codec-bytes.ts'
import { pcrLength, type PcrValues } from './pcrs.ts'

/** First byte (docs/sealing.md, "Layout"). */
const version = 1

/** What the TPM keeps for us, and only gives out under the same PCRs. */
export interface TpmObject {
  /** What the PCRs held when it was made; says what changed. The TPM's own policy is what protects. */
  readonly pcrs: PcrValues
  /** TPM2B_PUBLIC. */
  readonly publicArea: Uint8Array
  /** TPM2B_PRIVATE: encrypted and authenticated by the TPM. */
  readonly privateArea: Uint8Array
}

export interface TpmBlob {
  readonly object: TpmObject
  /** The bytes of the object as they were read; the box authenticates them. */
  readonly objectBytes: Uint8Array
  readonly box: Uint8Array
}

export function encodeObject({ pcrs, publicArea, privateArea }: TpmObject): Buffer {
  const writer = new ByteWriter().uint8(version).uint8(pcrs.size)
  for (const [number, value] of pcrs) writer.uint8(number).raw(value)
  return writer.bytes(publicArea).bytes(privateArea).take()
}

/** @throws {@link CodecError} */
export function decodeBlob(bytes: Uint8Array): TpmBlob {
  const reader = new ByteReader(bytes)
  const found = reader.uint8()
  if (found !== version) throw new CodecError(`it has version ${found}; this build reads version ${version}`)
  const pcrs = new Map<number, Uint8Array>()
  const count = reader.uint8()
  for (let index = 0; index < count; index++) {
    const number = reader.uint8()
    pcrs.set(number, reader.raw(pcrLength))
  }
  const object = { pcrs, publicArea: reader.bytes(), privateArea: reader.bytes() }
  const end = bytes.length - reader.remaining
  return { object, objectBytes: bytes.subarray(0, end), box: reader.raw(reader.remaining) }
}

/** What the box authenticates besides its contents: what the caller said, and the object that has its key. */
export const boxContext = (objectBytes: Uint8Array, associatedData: Uint8Array): Buffer =>
  new ByteWriter().text('taw tpm sealed v1').bytes(objectBytes).bytes(associatedData).take()
