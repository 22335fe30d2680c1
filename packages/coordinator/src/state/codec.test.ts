import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { loadManifest } from '../manifest/index.ts'
import { manifestWith } from '../manifest/test-manifests.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { CodecError, decodeChanges, encodeChanges, restoreState, stateToChanges } from './codec.ts'
import { applyChanges, initialState, type State, type StateChange } from './state.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const secretBytes = bytes.map((value) => new SecretBytes(value))
const name = fc.string({ unit: 'grapheme', maxLength: 12 })
const count = fc.maxSafeNat()
const authority = fc.record({
  rootCertificate: bytes,
  rootKey: secretBytes,
  intermediateCertificate: bytes,
  intermediateKey: secretBytes,
  marbleRootCertificate: bytes,
})
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined })
const manifest = loadManifest(Buffer.from(JSON.stringify(manifestWith())))

const change: fc.Arbitrary<StateChange> = fc.oneof(
  fc.record({ kind: fc.constant('authority'), authority }),
  fc.record({ kind: fc.constant('root-secret'), current: secretBytes, previous: optional(secretBytes) }),
  fc.constant({ kind: 'manifest', manifest } as const),
  fc.record({ kind: fc.constant('package-version'), name, securityVersion: optional(count) }),
  fc.record({
    kind: fc.constant('secret'),
    generation: fc.constantFrom('current', 'previous'),
    name,
    value: optional(fc.record({ certificate: optional(bytes), private: secretBytes, public: secretBytes })),
  }),
  fc.record({ kind: fc.constant('activations'), marbleType: name, count }),
  fc.record({ kind: fc.constant('counter'), key: name, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({
    kind: fc.constant('pending-update'),
    update: optional(
      fc.record({ raw: bytes, acknowledgedBy: fc.uniqueArray(name).map((names) => new Set(names)) }),
    ),
  }),
)

/** In clear, and with plain arrays, so that it can be compared. */
function plain(value: unknown): unknown {
  if (value instanceof SecretBytes) return plain(value.reveal())
  if (value instanceof Uint8Array) return [...value]
  if (value instanceof Set) return [...(value as Set<unknown>)]
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].map(plain)
  if (typeof value === 'object' && value !== null && Symbol.iterator in value) {
    return [...(value as Iterable<unknown>)].map(plain)
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
}

const asStored = (changes: readonly StateChange[]): unknown =>
  plain(
    changes.map((one) => (one.kind === 'manifest' ? { kind: 'stored-manifest', raw: manifest.raw } : one)),
  )

test('changes come back as they were', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
      assert.deepEqual(plain(decodeChanges(encodeChanges(changes))), asStored(changes))
    }),
  )
})

test('a state comes back from its snapshot', () => {
  fc.assert(
    fc.property(authority, secretBytes, fc.array(change, { maxLength: 20 }), (first, rootSecret, changes) => {
      const state = applyChanges(initialState(first, rootSecret), changes)
      const stored = decodeChanges(encodeChanges(stateToChanges(state)))
      assert.deepEqual(comparable(restoreState(stored, loadManifest)), comparable(state))
    }),
  )
})

const comparable = ({ manifest: prepared, ...state }: State): unknown => [prepared?.fingerprint, plain(state)]

test('only the newest manifest is prepared', () => {
  const raws = ['first', 'second'].map((web) => Buffer.from(JSON.stringify({ ...manifestWith(), [web]: {} })))
  const manifests = raws.map((raw) => ({ ...manifest, raw }))
  const empty = new SecretBytes(new Uint8Array())
  const authorityOfTest = {
    rootCertificate: new Uint8Array(),
    rootKey: empty,
    intermediateCertificate: new Uint8Array(),
    intermediateKey: empty,
    marbleRootCertificate: new Uint8Array(),
  }
  const stored = decodeChanges(
    encodeChanges([
      ...stateToChanges(initialState(authorityOfTest, empty)),
      ...manifests.map((one) => ({ kind: 'manifest', manifest: one }) as const),
    ]),
  )
  const prepared: string[] = []
  restoreState(stored, (raw) => {
    prepared.push(Buffer.from(raw).toString())
    return manifest
  })
  assert.deepEqual(prepared, [raws[1]?.toString()])
})

test('bytes of anything else are refused as such', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      try {
        decodeChanges(Buffer.concat([Buffer.of(1), tail]))
      } catch (error) {
        assert.ok(error instanceof CodecError, String(error))
      }
    }),
  )
  assert.throws(() => decodeChanges(Buffer.of()), CodecError)
  assert.throws(() => decodeChanges(Buffer.of(2)), /version 2; this build reads version 1/)
  assert.throws(() => decodeChanges(Buffer.of(1, 99)), /unknown kind 99/)
  const whole = encodeChanges([{ kind: 'activations', marbleType: 'web', count: 5 }])
  for (let length = 2; length < whole.length; length++) {
    assert.throws(() => decodeChanges(whole.subarray(0, length)), CodecError, `${length} bytes`)
  }
  assert.throws(() => decodeChanges(Buffer.of(1, 6, 0, 0, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)), /not UTF-8/)
})

test('a value that can’t be stored is a defect, and does not spoil the next', () => {
  assert.throws(() => encodeChanges([{ kind: 'activations', marbleType: 'web', count: -1 }]), RangeError)
  const good: StateChange[] = [{ kind: 'activations', marbleType: 'web', count: 1 }]
  assert.deepEqual(plain(decodeChanges(encodeChanges(good))), plain(good))
})

test('large values are stored whole', () => {
  const value = new SecretBytes(Buffer.alloc(300_000, 0xab))
  const changes: StateChange[] = [
    {
      kind: 'secret',
      generation: 'current',
      name: 'n'.repeat(5000),
      value: { certificate: undefined, private: value, public: value },
    },
  ]
  assert.deepEqual(plain(decodeChanges(encodeChanges(changes))), plain(changes))
})
