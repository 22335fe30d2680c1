import { ByteReader } from '../core/bytes.ts'
import { decoding, malformed } from '../core/errors.ts'
import type { IntelCollateral } from './collateral.ts'
import { collateralFromParts } from './read-collateral.ts'

/** Open Enclave's type of SGX evidence that can be verified remotely. */
const OE_TYPE_SGX_REMOTE = 2
const QL_TEE_TYPES: readonly number[] = [0x00, 0x81]

/** u32 version 1, u32 type 2: no text starts like that, no DER, and no quote. */
export function isOpenEnclaveEndorsements(bytes: Uint8Array): boolean {
  return u32(bytes, 0) === 1 && u32(bytes, 4) === OE_TYPE_SGX_REMOTE
}

/** u16 major version 3 or 4, u16 minor version, u32 TEE type. */
export function isQuoteLibraryCollateral(bytes: Uint8Array): boolean {
  const [major = 0, zero] = bytes
  return (major === 3 || major === 4) && zero === 0 && QL_TEE_TYPES.includes(u32(bytes, 4))
}

function u32(bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return bytes.length < offset + 4 ? -1 : view.getUint32(offset, true)
}

/** Number of items in Open Enclave's SGX endorsements, version 1. */
const OE_ENDORSEMENT_ITEMS = 9

/**
 * Reads Open Enclave's SGX endorsements: u32 version, u32 TEE type, u32 size, u32 count, an u32 offset per item, then the
 * items (version, TCB info and its chain, PCK CRL, root CA CRL and their chain, QE identity and its chain, creation time).
 */
export function collateralFromOpenEnclave(bytes: Uint8Array): IntelCollateral {
  return decoding('collateral-format', 'the Open Enclave endorsements', () => {
    const reader = new ByteReader(bytes)
    const version = reader.u32le('version')
    const teeType = reader.u32le('TEE type')
    if (version !== 1 || teeType !== OE_TYPE_SGX_REMOTE) {
      throw malformed('they are of another kind', 'version 1, type 2 (SGX)', `${version}, ${teeType}`)
    }
    const size = reader.u32le('size')
    const count = reader.u32le('number of items')
    if (count !== OE_ENDORSEMENT_ITEMS || size !== reader.remaining) {
      throw malformed(
        'their header is malformed',
        `${OE_ENDORSEMENT_ITEMS} items in ${reader.remaining} bytes`,
        `${count} items in ${size} bytes`,
      )
    }
    const offsets = Array.from({ length: count }, () => reader.u32le('offset'))
    const data = new ByteReader(reader.rest())
    const items = offsets.map((offset, index) => {
      const end = offsets[index + 1] ?? data.remaining + data.offset
      if (offset !== data.offset || end < offset) {
        throw malformed('an item has a bad offset', String(data.offset), String(offset))
      }
      return data.take(end - offset, 'item')
    })
    const [, tcbInfo, tcbInfoIssuerChain, pckCrl, rootCaCrl, pckCrlIssuerChain, qeIdentity, qeIdentityChain] =
      items
    return fromParts([
      tcbInfo,
      tcbInfoIssuerChain,
      qeIdentity,
      qeIdentityChain,
      pckCrl,
      pckCrlIssuerChain,
      rootCaCrl,
    ])
  })
}

/** Items of `sgx_ql_qve_collateral_t` after the version and the TEE type. */
const QL_ITEMS = 7

/**
 * Reads a memory dump of Intel's `sgx_ql_qve_collateral_t` with its strings behind it, as Open Enclave keeps it for TDX:
 * u32 version (major 3 or 4), u32 TEE type, then per item an u64 pointer (meaningless here), an u32 size, and padding.
 */
export function collateralFromQuoteLibrary(bytes: Uint8Array): IntelCollateral {
  return decoding('collateral-format', 'the quote library collateral', () => {
    const reader = new ByteReader(bytes)
    const major = reader.u16le('version')
    reader.skip(2, 'minor version')
    reader.skip(4, 'TEE type')
    if (major !== 3 && major !== 4) throw malformed('it has an unsupported version', '3 or 4', String(major))
    const sizes = Array.from({ length: QL_ITEMS }, () => {
      reader.skip(8, 'pointer')
      const size = reader.u32le('size')
      reader.skip(4, 'padding')
      return size
    })
    const items = sizes.map((size) => reader.take(size, 'item'))
    reader.end('the collateral')
    const [pckCrlChain, rootCaCrl, pckCrl, tcbInfoChain, tcbInfo, qeIdentityChain, qeIdentity] = items
    return fromParts([tcbInfo, tcbInfoChain, qeIdentity, qeIdentityChain, pckCrl, pckCrlChain, rootCaCrl])
  })
}

function fromParts(items: readonly (Uint8Array | undefined)[]): IntelCollateral {
  const none = new Uint8Array(0)
  const [tcbInfo = none, tcbInfoIssuerChain = none, qeIdentity = none, qeIdentityIssuerChain = none] = items
  const [pckCrl = none, pckCrlIssuerChain = none, rootCaCrl = none] = items.slice(4)
  return collateralFromParts({
    tcbInfo,
    tcbInfoIssuerChain,
    qeIdentity,
    qeIdentityIssuerChain,
    pckCrl,
    pckCrlIssuerChain,
    rootCaCrl,
  })
}
