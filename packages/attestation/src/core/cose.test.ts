import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cbor } from '../../../../packages/tee-kit/src/encoding/cbor.ts'
import { parseCoseSign1, signedBytes } from './cose.ts'
import { fromHex, toHex } from './encoding.ts'
import { EvidenceInvalid } from './errors.ts'
import { nodeCrypto } from './node.ts'
import { ecSpki } from './spki.ts'

test('the signed bytes are those of RFC 9052, appendix C.2.1', () => {
  // The Sig_structure that the RFC's example (ES256, kid 11) is signed over.
  const protectedBytes = fromHex('a10126')
  const payload = new TextEncoder().encode('This is the content.')
  assert.equal(
    toHex(signedBytes({ protectedBytes, payload })),
    '846a5369676e61747572653143a10126405454686973206973207468652063' + '6f6e74656e742e',
  )
})

test('the lengths in the signed bytes are in the shortest form', () => {
  for (const length of [0, 23, 24, 255, 256, 65535, 65536]) {
    const payload = new Uint8Array(length)
    const expected = cbor(['Signature1', Uint8Array.of(0xa0), new Uint8Array(0), payload])
    assert.deepEqual(signedBytes({ protectedBytes: Uint8Array.of(0xa0), payload }), new Uint8Array(expected))
  }
})

test('the example of RFC 9052, appendix C.2.1, is read, and its signature verifies', async () => {
  const message = parseCoseSign1(
    fromHex(
      'd28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4' +
        'd25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36',
    ),
  )
  assert.equal(message.tagged, true)
  assert.equal(message.algorithm, -7)
  assert.equal(new TextDecoder().decode(message.payload), 'This is the content.')
  assert.equal(message.signature.length, 64)
  assert.deepEqual(message.unprotected.get(4), fromHex('3131'))
  // Key '11' of the RFC's appendix C.7.1.
  const xy = fromHex(
    'bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff' +
      '20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e',
  )
  const key = await nodeCrypto.importKey('ecdsa-p256-sha256', ecSpki('P-256', xy))
  assert.ok(key)
  assert.equal(await nodeCrypto.verify(key, signedBytes(message), message.signature), true)
})

test('an algorithm outside of the protected header does not count', () => {
  const message = cbor([new Uint8Array(0), new Map([[1, -7]]), new Uint8Array(1), new Uint8Array(64)])
  assert.throws(() => parseCoseSign1(message), EvidenceInvalid)
})
