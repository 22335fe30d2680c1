import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeDescription, encodeDescription } from './split.ts'

/** As commit 1bdc236 wrote it. */
const stored =
  '{"version":1,"threshold":2,"scheme":"shamir","parties":[{"name":"alice","publicKey":"PEM","shareHash":"ab"}]}'

const description = {
  threshold: 2,
  scheme: 'shamir',
  parties: [{ name: 'alice', publicKey: 'PEM', shareHash: 'ab' }],
} as const

test('what recovery needs is read as it was written', () => {
  assert.deepEqual(decodeDescription(Buffer.from(stored)), description)
  assert.equal(Buffer.from(encodeDescription(description)).toString(), stored)
})

test('another version of it, or another shape, is refused', () => {
  assert.throws(
    () => decodeDescription(Buffer.from(stored.replace('"version":1', '"version":2'))),
    /another version/,
  )
  assert.throws(() => decodeDescription(Buffer.from('{}')), /another version/)
  for (const [from, to] of [
    ['"threshold":2', '"threshold":"2"'],
    ['shamir', 'other'],
    ['"name":"alice",', ''],
  ] as const) {
    assert.throws(() => decodeDescription(Buffer.from(stored.replace(from, to))), /another shape/)
  }
})
