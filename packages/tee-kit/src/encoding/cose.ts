import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { cbor } from './cbor.ts'
import type { CborItem } from './cbor.ts'

/** COSE algorithms (RFC 9053, 2.1). */
export const ES384 = -35
export const ES256 = -7

/**
 * COSE_Sign1 (RFC 9052, 4.2) without a tag: header, unprotected header, payload, signature.
 *
 * @param algorithm what the header says
 * @param digest what is signed with
 */
export function coseSign1(
  payload: Uint8Array,
  key: KeyObject,
  algorithm = ES384,
  digest = algorithm === ES256 ? 'sha256' : 'sha384',
): CborItem[] {
  const header = cbor(new Map([[1, algorithm]]))
  // Sig_structure (RFC 9052, 4.4).
  const toSign = cbor(['Signature1', header, Buffer.alloc(0), payload])
  return [header, new Map(), payload, sign(digest, toSign, { key, dsaEncoding: 'ieee-p1363' })]
}
