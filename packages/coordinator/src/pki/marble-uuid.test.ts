import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMarbleUuid } from './marble-uuid.ts'

const canonical = '6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'

test('reads all forms into one', () => {
  const forms = [
    canonical,
    canonical.toUpperCase(),
    `{${canonical}}`,
    `urn:uuid:${canonical}`,
    `URN:UUID:${canonical.toUpperCase()}`,
    canonical.replaceAll('-', ''),
    canonical.replaceAll('-', '').toUpperCase(),
  ]
  for (const form of forms) assert.equal(parseMarbleUuid(form), canonical, form)
  assert.equal(
    parseMarbleUuid('ffffffff-ffff-ffff-ffff-ffffffffffff'),
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  )
})

test('refuses everything else, and the nil UUID in every form', () => {
  const nil = '00000000-0000-0000-0000-000000000000'
  const others = [
    '',
    'not-a-uuid',
    canonical.slice(1),
    `${canonical}\n`,
    `(${canonical})`,
    `{${canonical}`,
    `{${canonical}\n`,
    ` ${canonical}`,
    canonical.replace('-', '_'),
    canonical.replace('6', 'g'),
    canonical.replaceAll('-', '').slice(1),
    `urn:uuid:${canonical.replaceAll('-', '')}`,
    nil,
    `{${nil}}`,
    nil.replaceAll('-', ''),
  ]
  for (const form of others) {
    assert.throws(
      () => parseMarbleUuid(form),
      { name: 'Refusal', code: 'uuid_invalid' },
      JSON.stringify(form),
    )
  }
})

test('a long text comes back shortened', () => {
  assert.throws(
    () => parseMarbleUuid('x'.repeat(1_000_000)),
    (error: unknown) => error instanceof Error && error.message.length < 300,
  )
})
