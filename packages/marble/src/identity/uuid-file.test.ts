import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import { temporaryFolder } from '../../../../tests/support/marble-process.ts'
import { MarbleError } from '../errors.ts'
import { loadOrCreateUuid } from './uuid-file.ts'

const unusable = (pattern: RegExp) => (error: unknown) =>
  error instanceof MarbleError && error.code === 'uuid_unusable' && pattern.test(error.message)

void test('a new UUID is version 4, stored as 36 characters with mode 0600, and read again', async (t) => {
  const folder = temporaryFolder(t)
  const file = path.join(folder, 'uuid')
  const uuid = await loadOrCreateUuid(file)
  assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(readFileSync(file, 'latin1'), uuid)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder), ['uuid'], 'nothing else is left')
  assert.equal(await loadOrCreateUuid(file), uuid)
})

void test('marbles that start at once all get the same UUID', async (t) => {
  const file = path.join(temporaryFolder(t), 'uuid')
  const uuids = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateUuid(file)))
  assert.equal(new Set(uuids).size, 1)
  assert.equal(readFileSync(file, 'latin1'), uuids[0])
})

void test('a file that is there is read and stays as it is', async (t) => {
  const file = path.join(temporaryFolder(t), 'uuid')
  writeFileSync(file, 'ABCDEF01-2345-4678-9ABC-DEF012345678', { mode: 0o644 })
  assert.equal(await loadOrCreateUuid(file), 'abcdef01-2345-4678-9abc-def012345678')
  assert.equal(readFileSync(file, 'latin1'), 'ABCDEF01-2345-4678-9ABC-DEF012345678')
  assert.equal(statSync(file).mode & 0o777, 0o644)
})

void test('a file without a UUID is refused, and never replaced', async (t) => {
  const file = path.join(temporaryFolder(t), 'uuid')
  for (const [content, says] of [
    ['', /holds nothing/],
    ['xyz', /no UUID \(3 characters\)/],
    ['abcdef01-2345-4678-9abc-def012345678\n', /white space around it/],
    ['00000000-0000-0000-0000-000000000000', /nil UUID/],
    ['x'.repeat(1_000_000), /too many characters/],
  ] as const) {
    writeFileSync(file, content)
    await assert.rejects(loadOrCreateUuid(file), unusable(says))
    assert.equal(readFileSync(file, 'latin1'), content)
  }
})

void test('its folder is not made; a folder in its place is refused', async (t) => {
  const folder = temporaryFolder(t)
  await assert.rejects(
    loadOrCreateUuid(path.join(folder, 'missing', 'uuid')),
    unusable(/ENOENT.*EDG_MARBLE_UUID_FILE/s),
  )
  mkdirSync(path.join(folder, 'uuid'))
  await assert.rejects(loadOrCreateUuid(path.join(folder, 'uuid')), unusable(/EISDIR/))
})
