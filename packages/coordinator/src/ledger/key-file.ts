import { SecretBytes } from '../secrets/secret-bytes.ts'
import { type SealBinding, SealingError, type SealingProvider } from '../sealing/provider.ts'
import { ByteReader, ByteWriter, CodecError } from '../state/codec-bytes.ts'
import { StorageDamaged } from './backend.ts'
import { type Epoch, type EpochKeys, keyLength, ledgerIdLength } from './epoch.ts'
import { framed } from './framing.ts'
import { sameBytes } from './framing.ts'

/** First eight bytes of the file. */
const magic = Buffer.from('taw-key\n')

/** Byte after the magic (docs/format.md, "sealed_key"). */
const keyFileVersion = 1

/** First byte of what is sealed. */
const contentsVersion = 1

/** Bytes. Sealed keys and anchors have sectors of their own: a disk writes one as a whole or not at all. */
export const sectorLength = 512

/** Anchors at the end of the file; they are written in turn (see `anchor.ts`). */
export const anchorCount = 2

/** Bytes that a sealed key may have; the largest known is a TPM's, of some 2 KiB. */
export const maxKeyFileLength = 64 * 1024

/** What the file holds besides its anchors. */
export interface KeyFileContents {
  readonly ledgerId: Uint8Array
  /** One key, or while an epoch changes two: that of the epoch in force, and of the one that follows. */
  readonly keys: ReadonlyMap<number, EpochKeys>
}

/** Where things are in the bytes of a file. */
export interface KeyFileLayout {
  readonly kind: string
  readonly binding: SealBinding
  readonly ledgerId: Uint8Array
  readonly sealed: Uint8Array
  /** Byte offset of the first anchor. */
  readonly anchorsAt: number
}

/**
 * The bytes of a new key file.
 *
 * @param epochs one or two; the file is bound to the stricter of their seal modes
 * @param anchor one sector; all anchors start the same
 * @throws {@link SealingError}
 */
export async function sealKeyFile(
  provider: SealingProvider,
  epochs: readonly Epoch[],
  anchor: Uint8Array,
): Promise<Buffer> {
  const ledgerId = epochs[0]?.ledgerId ?? new Uint8Array()
  const binding = epochs.some(({ sealMode }) => sealMode === 'UniqueKey') ? 'UniqueKey' : 'ProductKey'
  const contents = encodeContents(epochs)
  const associatedData = associate(provider.kind, binding, ledgerId)
  const sealed = await provider.seal(contents, { binding, associatedData })
  contents.reveal().fill(0)
  const head = new ByteWriter()
    .raw(magic)
    .uint8(keyFileVersion)
    .text(provider.kind)
    .text(binding)
    .raw(ledgerId)
    .bytes(sealed)
    .take()
  const padding = Buffer.alloc(roundUp(head.length) - head.length)
  return Buffer.concat([head, padding, ...Array.from({ length: anchorCount }, () => anchor)])
}

/** @throws {@link StorageDamaged} */
export function parseKeyFile(bytes: Uint8Array): KeyFileLayout {
  try {
    const reader = new ByteReader(bytes)
    if (!sameBytes(reader.raw(magic.length), magic)) throw new CodecError('it does not start like one')
    const version = reader.uint8()
    if (version !== keyFileVersion) {
      throw new CodecError(`it has version ${version}; this build reads version ${keyFileVersion}`)
    }
    const kind = reader.text()
    const binding = bindingOf(reader.text())
    const ledgerId = reader.raw(ledgerIdLength)
    const sealed = reader.bytes()
    const end = bytes.length - reader.remaining
    const anchorsAt = roundUp(end)
    if (bytes.length !== anchorsAt + anchorCount * sectorLength) {
      throw new CodecError(
        `it has ${bytes.length} bytes, but must have ${anchorsAt + anchorCount * sectorLength}`,
      )
    }
    if (bytes.subarray(end, anchorsAt).some((octet) => octet !== 0))
      throw new CodecError('its padding is not zero')
    return { kind, binding, ledgerId, sealed, anchorsAt }
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new StorageDamaged(`sealed_key is no sealed key: ${error.message}`)
  }
}

/** @throws {@link StorageDamaged} when the key doesn't open, with the reason */
export async function openKeyFile(
  provider: SealingProvider,
  layout: KeyFileLayout,
): Promise<KeyFileContents> {
  const { kind, binding, ledgerId, sealed } = layout
  if (kind !== provider.kind) {
    throw new StorageDamaged(
      `sealed_key was sealed by provider "${kind}", but this Coordinator has provider "${provider.kind}"`,
    )
  }
  try {
    const contents = await provider.unseal(sealed, {
      binding,
      associatedData: associate(kind, binding, ledgerId),
    })
    return { ledgerId, keys: decodeContents(contents) }
  } catch (error) {
    if (!(error instanceof SealingError) && !(error instanceof CodecError)) throw error
    throw new StorageDamaged(`sealed_key does not open: ${error.message}`)
  }
}

const associate = (kind: string, binding: SealBinding, ledgerId: Uint8Array): Buffer =>
  framed('taw sealed_key v1', Buffer.from(kind), Buffer.from(binding), ledgerId)

function encodeContents(epochs: readonly Epoch[]): SecretBytes {
  const writer = new ByteWriter().uint8(contentsVersion).uint8(epochs.length)
  for (const { number, keys } of epochs) writer.count(number).raw(keys.dek.reveal()).raw(keys.macKey.reveal())
  return new SecretBytes(writer.take())
}

function decodeContents(contents: SecretBytes): ReadonlyMap<number, EpochKeys> {
  const reader = new ByteReader(contents.reveal())
  const version = reader.uint8()
  if (version !== contentsVersion) {
    throw new CodecError(`what is sealed has version ${version}; this build reads version ${contentsVersion}`)
  }
  const keys = new Map<number, EpochKeys>()
  const count = reader.uint8()
  for (let index = 0; index < count; index++) {
    const epoch = reader.count()
    const dek = new SecretBytes(reader.raw(keyLength))
    keys.set(epoch, { dek, macKey: new SecretBytes(reader.raw(keyLength)) })
  }
  reader.end()
  contents.reveal().fill(0)
  return keys
}

function bindingOf(text: string): SealBinding {
  if (text === 'ProductKey' || text === 'UniqueKey') return text
  throw new CodecError('it has an unknown seal mode')
}

const roundUp = (length: number): number => Math.ceil(length / sectorLength) * sectorLength
