import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { simulationSealing } from '../sealing/providers/simulation.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { type Anchor, checkAnchors, encodeAnchor, readAnchors } from './anchor.ts'
import { StorageDamaged, type StoredHead } from './backend.ts'
import { Epoch, newMacKey } from './epoch.ts'
import { openKeyFile, parseKeyFile, sealKeyFile, sectorLength } from './key-file.ts'

const ledgerId = Buffer.alloc(16, 4)
const keys = { dek: new SecretBytes(Buffer.alloc(32, 1)), macKey: newMacKey() }
const epoch = new Epoch({ number: 3, ledgerId, sealMode: 'ProductKey', recovery: Buffer.alloc(0), keys })

const anchor = (counter: number, sequence: number, change: Partial<Anchor> = {}): Anchor => ({
  counter,
  point: { sequence, hash: Buffer.alloc(32, sequence) },
  confirmed: 0,
  base: undefined,
  ...change,
})

test('what was sealed comes back, for one epoch and for two', async () => {
  const next = epoch.next({
    sealMode: 'UniqueKey',
    keys: { ...keys, dek: new SecretBytes(Buffer.alloc(32, 2)) },
  })
  for (const epochs of [[epoch], [epoch, next]]) {
    const bytes = await sealKeyFile(simulationSealing, epochs, encodeAnchor(epoch, anchor(1, 5)))
    const layout = parseKeyFile(bytes)
    // Bound to the stricter of the two modes while both keys are in it.
    assert.equal(layout.binding, epochs.length === 2 ? 'UniqueKey' : 'ProductKey')
    const contents = await openKeyFile(simulationSealing, layout)
    assert.deepEqual([...contents.keys.keys()], epochs.length === 2 ? [3, 4] : [3])
    assert.deepEqual(Buffer.from(contents.keys.get(3)?.dek.reveal() ?? []), Buffer.alloc(32, 1))
    assert.ok(!bytes.includes(Buffer.alloc(32, 1)), 'the key does not stand there in clear')
  }
})

test('no bytes crash the parser', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), (bytes, isPrefixed) => {
      const file = isPrefixed ? Buffer.concat([Buffer.from('taw-key\n\x01'), bytes]) : bytes
      assert.throws(() => parseKeyFile(file), StorageDamaged)
    }),
  )
})

test('the newest anchor counts, and each is whole or not at all', () => {
  const sectors = (...anchors: Anchor[]): Buffer =>
    Buffer.concat(anchors.map((one) => encodeAnchor(epoch, one)))
  const found = readAnchors(epoch, sectors(anchor(8, 7), anchor(7, 6)))
  assert.equal(found.newest.point.sequence, 7)
  assert.equal(found.nextIndex, 1)
  assert.equal(found.allWhole, true)
  const torn = sectors(anchor(8, 7), anchor(7, 6))
  torn[3] = 1
  assert.deepEqual(
    { ...readAnchors(epoch, torn), newest: readAnchors(epoch, torn).newest.point.sequence },
    { newest: 6, nextIndex: 0, allWhole: false },
  )
  torn[sectorLength + 3] = 1
  assert.throws(() => readAnchors(epoch, torn), /none of its anchors/)
})

test('anchor and ledger must be of the same time', () => {
  const head = (sequence: number, confirmed: number): StoredHead => ({
    ledgerId,
    epoch: 3,
    sequence,
    hash: Buffer.alloc(32, sequence),
    confirmed,
    anchored: undefined,
    tag: Buffer.alloc(32),
    mac: Buffer.alloc(32),
  })
  const hashAt = (sequence: number): Buffer => Buffer.alloc(32, sequence)
  const check = (newest: Anchor, end: StoredHead, allWhole = true): void => {
    checkAnchors({ newest, nextIndex: 0, allWhole }, end, hashAt)
  }
  const assertRefused = (reason: RegExp, ...found: Parameters<typeof check>): void => {
    assert.throws(() => {
      check(...found)
    }, reason)
  }
  check(anchor(9, 7, { confirmed: 7 }), head(7, 7))
  // A crash after the commit of entry 8, before its anchor.
  check(anchor(9, 7), head(8, 5))
  check(anchor(9, 7), head(8, 5), false)
  assertRefused(/ledger was cut, or is older/, anchor(9, 7), head(6, 5))
  assertRefused(/sealed key is older/, anchor(9, 7), head(9, 8))
  assertRefused(/lacks the last thing/, anchor(9, 7, { confirmed: 6 }), head(7, 5))
  assertRefused(
    /another entry 7/,
    anchor(9, 7, { point: { sequence: 7, hash: Buffer.alloc(32) } }),
    head(8, 5),
  )
  assertRefused(/one of its anchors/, anchor(9, 7), head(7, 5), false)
})
