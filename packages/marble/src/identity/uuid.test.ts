import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { parseUuid } from './uuid.ts'

const canonical = 'abcdef01-2345-4678-9abc-def012345678'

void test('the four forms, in either case, give the canonical one', () => {
  for (const form of [canonical, canonical.replaceAll('-', ''), `{${canonical}}`, `urn:uuid:${canonical}`]) {
    assert.equal(parseUuid(form), canonical)
    assert.equal(parseUuid(form.toUpperCase()), canonical)
  }
})

void test('anything else is none', () => {
  const none = [
    ...['', 'xyz', `${canonical}\n`, ` ${canonical}`, `${canonical}0`, canonical.slice(1), `{${canonical}`],
    ...[
      `x${canonical}y`,
      `urn:${canonical}`,
      canonical.replaceAll('-', '_'),
      `{${canonical.replaceAll('-', '')}}`,
    ],
    ...['00000000-0000-0000-0000-000000000000', '0'.repeat(32)],
  ]
  for (const text of none) assert.equal(parseUuid(text), undefined, JSON.stringify(text))
})

void test('every UUID is read', () => {
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      assert.equal(parseUuid(uuid.toUpperCase()), uuid)
    }),
  )
})
