import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { AuditChain } from './audit-chain.ts'
import type { AuditEntry, AuditPage } from './audit.ts'

const ledger = Buffer.alloc(16, 1)
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/** docs/format.md, written out once more and differently: lengths as hex. */
const lengthPrefixed = (hexParts: readonly string[]): Buffer =>
  Buffer.from(hexParts.map((part) => (part.length / 2).toString(16).padStart(8, '0') + part).join(''), 'hex')
const ascii = (text: string): string => Buffer.from(text).toString('hex')
const number = (value: number): string => value.toString(16).padStart(16, '0')
const start = sha256(lengthPrefixed([ascii('taw ledger v1'), ledger.toString('hex')]))

function makeEntries(count: number, change: (record: string) => string = (record) => record): AuditEntry[] {
  const entries: AuditEntry[] = []
  let previous = start
  for (let sequence = 1; sequence <= count; sequence++) {
    const record = change(`{"v":1,"time":"2026-11-22T07:00:00.000Z","audit":{"n":${sequence},"name":"ä"}}`)
    const sealedDigest = sha256(Buffer.from(`sealed ${sequence}`))
    const parts = [
      number(sequence),
      number(1),
      previous.toString('hex'),
      ascii(record),
      sealedDigest.toString('hex'),
    ]
    const hash = sha256(lengthPrefixed([ascii('taw ledger entry v1'), ...parts]))
    entries.push({ sequence, epoch: 1, record, sealedDigest, hash })
    previous = hash
  }
  return entries
}

const entries = makeEntries(6)
const hashOf = (sequence: number): Uint8Array =>
  (sequence === 0 ? start : entries[sequence - 1]?.hash) ?? start

function page(from: number, to: number, change: Partial<AuditPage> = {}): AuditPage {
  const head = { sequence: 6, hash: hashOf(6) }
  const previousHash = from > 7 ? undefined : hashOf(from - 1)
  return { ledger, head, previousHash, entries: entries.slice(from - 1, to), ...change }
}

const broken = (message: RegExp) => ({ code: 'audit_inauthentic', message })

test('a chain is followed from its start, over pages, to its head', () => {
  const chain = new AuditChain()
  chain.append(page(1, 2), 1)
  chain.append(page(3, 6), 3)
  chain.append(page(7, 7), 7)
  assert.deepEqual(chain.point, { sequence: 6, hash: hashOf(6) })
})

test('it may begin anywhere, and then vouches for what follows', () => {
  const chain = new AuditChain()
  chain.append(page(4, 6), 4)
  assert.equal(chain.point?.sequence, 6)
})

test('whatever is changed breaks it', () => {
  const [one, two, three] = entries
  assert.ok(one && two && three)
  const other = Buffer.alloc(32, 9)
  const cases: [string, AuditPage, RegExp][] = [
    [
      'record',
      page(1, 2, { entries: [{ ...one, record: one.record.replace('1', '2') }, two] }),
      /hash of entry 1/,
    ],
    ['epoch', page(1, 2, { entries: [{ ...one, epoch: 2 }, two] }), /hash of entry 1/],
    ['digest', page(1, 2, { entries: [one, { ...two, sealedDigest: other }] }), /hash of entry 2/],
    ['hash', page(1, 1, { entries: [{ ...one, hash: other }] }), /hash of entry 1/],
    ['order', page(1, 2, { entries: [two, one] }), /entry 2 follows entry 0/],
    ['gap', page(1, 3, { entries: [one, three] }), /entry 3 follows entry 1/],
    ['start', page(1, 2, { previousHash: other }), /entry 1 does not follow entry 0/],
    ['ledger', page(1, 2, { ledger: Buffer.alloc(16, 2) }), /entry 1 does not follow entry 0/],
    ['head', page(1, 6, { head: { sequence: 6, hash: other } }), /ends with another entry/],
    ['short head', page(1, 6, { head: { sequence: 5, hash: hashOf(5) } }), /ends with another entry/],
  ]
  for (const [what, tampered, message] of cases) {
    assert.throws(
      () => {
        new AuditChain().append(tampered, 1)
      },
      broken(message),
      what,
    )
  }
})

test('a page of another ledger, or of a rewritten one, does not follow', () => {
  const begun = (): AuditChain => {
    const chain = new AuditChain()
    chain.append(page(1, 3), 1)
    return chain
  }
  assert.throws(
    () => {
      begun().append(page(4, 6, { ledger: Buffer.alloc(16, 2) }), 4)
    },
    broken(/another ledger/),
  )
  assert.throws(
    () => {
      begun().append(page(5, 6), 5)
    },
    broken(/entry 5 does not follow entry 3/),
  )
  const rewritten = makeEntries(6, (record) => record.replace('ä', 'b'))
  const forged = page(4, 6, { entries: rewritten.slice(3), previousHash: rewritten[2]?.hash })
  assert.throws(
    () => {
      begun().append(forged, 4)
    },
    broken(/entry 4 does not follow entry 3/),
  )
  const cut = { head: { sequence: 2, hash: hashOf(2) }, previousHash: undefined, entries: [] }
  assert.throws(
    () => {
      begun().append(page(4, 6, cut), 4)
    },
    broken(/ends with entry 2; entry 3 was there/),
  )
})

test('a known hash is looked for wherever it stands', () => {
  for (const sequence of [1, 3, 6]) {
    const chain = new AuditChain()
    chain.expect(sequence, hashOf(sequence))
    assert.deepEqual(chain.outstanding, [sequence])
    chain.append(page(1, 6), 1)
    assert.deepEqual(chain.outstanding, [])
  }
  const before = new AuditChain()
  before.expect(3, hashOf(3))
  before.append(page(4, 6), 4)
  assert.deepEqual(before.outstanding, [])
  const wrong = new AuditChain()
  wrong.expect(2, hashOf(3))
  assert.throws(
    () => {
      wrong.append(page(1, 6), 1)
    },
    broken(/entry 2 has hash .*was known.*rewritten/),
  )
})

test('an entry beyond the end stays outstanding', () => {
  const chain = new AuditChain()
  chain.expect(9, hashOf(6))
  chain.append(page(10, 10), 10)
  assert.deepEqual(chain.outstanding, [9])
  assert.equal(chain.point, undefined)
})
