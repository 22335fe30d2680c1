import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonError } from './json-error.ts'
import { parseJson, type JsonValue } from './json.ts'

const limits = { depth: 10_000, values: 1_000_000 }
const utf8 = (text: string) => Buffer.from(text, 'utf8')
const parse = (text: string | Uint8Array) => parseJson(typeof text === 'string' ? utf8(text) : text, limits)

/** What JSON.parse gives, for a document without members given twice. */
function plain(value: JsonValue): unknown {
  switch (value.kind) {
    case 'object':
      return Object.fromEntries(value.members.map(({ name, value: member }) => [name, plain(member)]))
    case 'array':
      return value.items.map(plain)
    case 'number':
      return Number(value.text)
    case 'null':
      return null
    case 'string':
    case 'boolean':
      return value.value
  }
}

const textOf = (value: JsonValue) => (value.kind === 'string' ? value.value : assert.fail(`a ${value.kind}`))

function refusalOf(text: string | Uint8Array, bounds = limits): JsonError {
  try {
    parseJson(typeof text === 'string' ? utf8(text) : text, bounds)
  } catch (error) {
    if (error instanceof JsonError) return error
    throw error
  }
  assert.fail(`was accepted: ${text.slice(0, 60).toString()}`)
}

test('gives the same values as JSON.parse', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ noUnicodeString: false }),
      fc.constantFrom(undefined, 1, '\t', ' \r\n'),
      (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        // Lone surrogates, which JSON.stringify escapes, become U+FFFD in Go and here.
        assert.deepEqual(plain(parse(text)), JSON.parse(JSON.stringify(JSON.parse(text), wellFormed)))
      },
    ),
  )
})

const wellFormed = (_: string, value: unknown): unknown => {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.toWellFormed(), member as unknown]),
  )
}

test('takes and refuses what JSON.parse takes and refuses', () => {
  const character = fc.constantFrom(
    ...Array.from('{}[]",:\\/bfnrtu0123456789-+.eEabdlsu \n\t\u0000é€😀\ufeff'),
  )
  fc.assert(
    fc.property(fc.array(character, { maxLength: 12 }), (characters) => {
      const text = characters.join('')
      let expected = true
      try {
        JSON.parse(text)
      } catch {
        expected = false
      }
      let accepted = true
      try {
        parse(text)
      } catch (error) {
        assert.ok(error instanceof JsonError)
        accepted = false
      }
      assert.equal(accepted, expected, JSON.stringify(text))
    }),
    { numRuns: 3000 },
  )
})

test('never throws anything but JsonError, whatever the bytes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom('', '"', '{"a":', '["\\u12'),
      (bytes, before) => {
        try {
          parse(Buffer.concat([utf8(before), bytes]))
        } catch (error) {
          assert.ok(error instanceof JsonError)
          assert.ok(error.offset >= 0 && error.offset <= before.length + bytes.length)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('keeps numbers as written', () => {
  for (const text of ['18446744073709551615', '1.0', '-0', '1e2', '0.10', '-1E+400']) {
    assert.deepEqual(parse(text), { kind: 'number', start: 0, text })
  }
})

test('keeps members given twice, with the places of their names', () => {
  const document = parse('{"a":1, "A":2,"a":3}')
  assert.ok(document.kind === 'object')
  assert.deepEqual(
    document.members.map(({ name, start, value }) => [name, start, value.start]),
    [
      ['a', 1, 5],
      ['A', 8, 12],
      ['a', 14, 18],
    ],
  )
})

test('lone surrogates become U+FFFD, pairs are joined', () => {
  assert.equal(textOf(parse(String.raw`"\ud800"`)), '\ufffd')
  assert.equal(textOf(parse(String.raw`"\udc00\ud800\ud83d\ude00"`)), '\ufffd\ufffd😀')
  assert.equal(textOf(parse(String.raw`"\ud800A\ud800\n"`)), '\ufffdA\ufffd\n')
})

test('each byte that begins no UTF-8 sequence becomes one U+FFFD', () => {
  const decode = (hex: string) =>
    textOf(parse(Buffer.concat([utf8('"'), Buffer.from(hex, 'hex'), utf8('"')])))
  assert.equal(decode('ff'), '\ufffd')
  // Cut off, overlong, a surrogate, beyond U+10FFFF: Go counts bytes, where WHATWG's decoder counts sequences.
  assert.equal(decode('e282'), '\ufffd\ufffd')
  assert.equal(decode('e28241'), '\ufffd\ufffdA')
  assert.equal(decode('c0af'), '\ufffd\ufffd')
  assert.equal(decode('eda080'), '\ufffd\ufffd\ufffd')
  assert.equal(decode('f4908080'), '\ufffd\ufffd\ufffd\ufffd')
  assert.equal(decode('fff09f988041c3a9'), '\ufffd😀Aé')
})

test('valid UTF-8 beside invalid bytes is read as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (text) => {
      const body = JSON.stringify(text)
      const document = parse(Buffer.concat([utf8(`[${body},"`), Buffer.from('ff', 'hex'), utf8('"]')]))
      assert.deepEqual(plain(document), [text.toWellFormed(), '\ufffd'])
    }),
  )
})

test('says where the mistake stands', () => {
  assert.equal(refusalOf('').offset, 0)
  assert.equal(refusalOf('{').offset, 1)
  assert.equal(refusalOf('{"a":1,}').offset, 7)
  assert.equal(refusalOf('{"a" 1}').offset, 5)
  assert.equal(refusalOf("{'a':1}").offset, 1)
  assert.equal(refusalOf('{} x').offset, 3)
  assert.equal(refusalOf('[01]').offset, 2)
  assert.match(refusalOf(Buffer.from('efbbbf7b7d', 'hex')).message, /byte order mark/)
})

test('nesting is bounded, and cannot exhaust the stack', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  assert.equal(parse(nested(10_000)).kind, 'array')
  assert.match(refusalOf(nested(10_001)).message, /deeper than 10000/)
  assert.match(refusalOf('{"a":'.repeat(20_000)).message, /deeper than 10000/)
  assert.match(refusalOf(Buffer.alloc(20_000_000, '[')).message, /deeper than 10000/)
})

test('the number of values is bounded', () => {
  assert.match(refusalOf('[1,2,3]', { depth: 10, values: 3 }).message, /more than 3 values/)
  assert.equal(parseJson(utf8('[1,2,3]'), { depth: 10, values: 4 }).kind, 'array')
})
