import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { EvidenceInvalid } from './errors.ts'
import { parseJson, rawMembers } from './json.ts'

suite('raw members of a JSON object', () => {
  test('are what JSON.parse sees, byte for byte', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })),
        fc.constantFrom('', ' ', '\t', 2, 4),
        (value, space) => {
          const text = JSON.stringify(value, undefined, space)
          const members = rawMembers(text)
          assert.deepEqual([...members.keys()].sort(), Object.keys(JSON.parse(text) as object).sort())
          for (const [name, raw] of members) {
            assert.ok(text.includes(raw))
            assert.deepEqual(parseJson(raw), (JSON.parse(text) as Record<string, unknown>)[name])
          }
        },
      ),
    )
  })

  test('brackets and quotes inside strings are no structure', () => {
    const members = rawMembers('{"a":"}\\"]{","b":{"c":["\\\\"]}, "d" : -1.5e3 }')
    assert.deepEqual(
      [...members],
      [
        ['a', '"}\\"]{"'],
        ['b', '{"c":["\\\\"]}'],
        ['d', '-1.5e3'],
      ],
    )
  })

  test('malformed, duplicate and deep objects are refused', () => {
    for (const text of [
      '',
      '[]',
      '"a"',
      '{',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{"a":1 "b":2}',
      '{"a":1}x',
      '{"a":1}{}',
      '{"a":[1}',
      '{"a":"x}',
      '{a:1}',
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      `{"a":${'['.repeat(17)}${']'.repeat(17)}}`,
      `{"a":${'{"a":'.repeat(100_000)}`,
    ]) {
      assert.throws(() => rawMembers(text), EvidenceInvalid, text.slice(0, 40))
    }
  })

  test('any text gives an object or EvidenceInvalid', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '1', ' ') }),
        (text) => {
          try {
            rawMembers(text)
          } catch (error) {
            assert.ok(error instanceof EvidenceInvalid)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})
