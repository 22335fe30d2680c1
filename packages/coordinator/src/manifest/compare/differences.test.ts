import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseManifest } from '../index.ts'
import type { Manifest } from '../model.ts'
import { manifestWith } from '../test-manifests.ts'
import { changedNames, manifestDifferences } from './differences.ts'

const manifest = (members: Readonly<Record<string, unknown>>): Manifest =>
  parseManifest(Buffer.from(JSON.stringify(manifestWith(members))), { now: () => new Date(0) }).manifest

const keys = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, { Type: 'symmetric-key', Size: 128, Shared: true }]))

test('the audit log names every entry of a first manifest, and not its configuration', () => {
  const first = manifest({ Secrets: keys(['b', 'a']), Config: { SealMode: 'UniqueKey' } })
  assert.deepEqual(changedNames(undefined, first), {
    entries: [
      { member: 'Packages', name: 'app', change: 'added' },
      { member: 'Marbles', name: 'web', change: 'added' },
      { member: 'Secrets', name: 'a', change: 'added' },
      { member: 'Secrets', name: 'b', change: 'added' },
    ],
    omitted: 0,
  })
})

test('the audit log names what a dry run shows: added, removed, changed, the configuration', () => {
  const before = manifest({ Secrets: keys(['gone', 'kept', 'other']) })
  const after = manifest({
    Secrets: { ...keys(['kept', 'new']), other: { Type: 'symmetric-key', Size: 256, Shared: true } },
    Config: { SealMode: 'UniqueKey' },
  })
  const expected = [
    { member: 'Secrets', name: 'gone', change: 'removed' },
    { member: 'Secrets', name: 'new', change: 'added' },
    { member: 'Secrets', name: 'other', change: 'changed' },
    { member: 'Config', name: null, change: 'changed' },
  ]
  assert.deepEqual(changedNames(before, after), { entries: expected, omitted: 0 })
  assert.deepEqual(
    manifestDifferences(before, after).map(({ member, name = null, change }) => ({ member, name, change })),
    expected,
  )
})

test('another order of a set, or of members, changes nothing', () => {
  const role = (names: readonly string[]) => ({
    Secrets: keys(['a', 'b']),
    Roles: { read: { ResourceType: 'Secrets', ResourceNames: names, Actions: ['ReadSecret'] } },
  })
  assert.deepEqual(manifestDifferences(manifest(role(['a', 'b'])), manifest(role(['b', 'a']))), [])
})

test('the record of a large update is bounded in entries and in the length of names', () => {
  const many = Array.from({ length: 205 }, (_, index) => `${'n'.repeat(300)}${1000 + index}`)
  const { entries, omitted } = changedNames(manifest({}), manifest({ Secrets: keys(many) }))
  assert.equal(entries.length, 200)
  assert.equal(omitted, 5)
  assert.ok(entries.every(({ name }) => name?.length === 200))
})
