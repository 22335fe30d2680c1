import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CliError } from '../errors.ts'
import { yamlToJson } from './yaml.ts'

const convert = (text: string): string => yamlToJson(text, 'the test')

for (const [about, yaml, json] of [
  [
    'members are sorted by their bytes',
    'b: 1\na: 2\nB: 3\né: 4\n"\\U0001F600": 5\n"\\uFFFD": 6',
    '{"B":3,"a":2,"b":1,"é":4,"\ufffd":6,"\u{1f600}":5}',
  ],
  ['Booleans of YAML 1.1', 'a: yes\nb: Off\nc: "yes"\nd: TRUE', '{"a":true,"b":false,"c":"yes","d":true}'],
  ['nulls', 'a:\nb: ~\nc: null', '{"a":null,"b":null,"c":null}'],
  [
    'integers in all bases, exact',
    'a: 0777\nb: 0x1f\nc: 0b11\nd: 1_000\ne: 18446744073709551615',
    '{"a":511,"b":31,"c":3,"d":1000,"e":18446744073709551615}',
  ],
  [
    'no numbers to the base 60, no dates',
    'a: 12:30\nb: 1:2:3.5\nc: 2001-01-01',
    '{"a":"12:30","b":"1:2:3.5","c":"2001-01-01"}',
  ],
  ['floats', 'a: 1.5\nb: 1.0\nc: 1e3\nd: 1.0e-7', '{"a":1.5,"b":1,"c":1000,"d":1e-7}'],
  ['names that are no text', '1: a\ntrue: b\n~: c', '{"1":"a","null":"c","true":"b"}'],
  ['anchors and merges', 'a: &x {k: v}\nb: {<<: *x, l: w}', '{"a":{"k":"v"},"b":{"k":"v","l":"w"}}'],
  ['blocks of text', 'a: |\n  {{ x }}\n  y\nb: >-\n  c\n  d', '{"a":"{{ x }}\\ny\\n","b":"c d"}'],
  [
    "Go's escapes",
    'a: "<&>\\u2028\\u2029\\u0001\\x7f\\n\\b"',
    '{"a":"\\u003c\\u0026\\u003e\\u2028\\u2029\\u0001\x7f\\n\\b"}',
  ],
  ['any text', '-----BEGIN X-----\nab\nc=\n-----END X-----\n', '"-----BEGIN X----- ab c= -----END X-----"'],
  ['nearly JSON', '{"b": [1, 2,], "a": null,}', '{"a":null,"b":[1,2]}'],
] as const) {
  test(`YAML: ${about}`, () => {
    assert.equal(convert(yaml), json)
  })
}

for (const [about, yaml] of [
  ['a member twice', 'a: 1\na: 2'],
  ['a member twice after conversion', '1: a\n"1": b'],
  ['two documents', 'a: 1\n---\nb: 2'],
  ['an unknown alias', 'a: *x'],
  ['an alias to its own place', 'a: &x [*x]'],
  ['a name that is a list', '? [a]\n: b'],
  ['infinity', 'a: .inf'],
  ['no YAML', 'a: [1'],
  ['nesting in flow', '['.repeat(20_000)],
  ['nesting in maps', '{a: '.repeat(20_000)],
  ['nesting in blocks', '- '.repeat(20_000)],
  ['nesting in keys', '? '.repeat(20_000)],
  ['nesting that ends', '['.repeat(5000) + ']'.repeat(5000)],
  [
    'aliases of aliases',
    'a: &a [x,x]\n' +
      'bcdefghijklmnop'
        .split('')
        .map(
          (name, i) =>
            `${name}: &${name} [*${'abcdefghijklmnop'.charAt(i)},*${'abcdefghijklmnop'.charAt(i)}]`,
        )
        .join('\n'),
  ],
] as const) {
  test(`YAML refused: ${about}`, () => {
    assert.throws(() => convert(yaml), CliError)
  })
}

test('JSON is YAML: what JSON says comes out the same', () => {
  // Keys that YAML 1.1 reads otherwise only without quotes; JSON always has quotes.
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        fc.string().filter((name) => name !== '__proto__'),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  })).value
  fc.assert(
    fc.property(value, (original) => {
      const parsed: unknown = JSON.parse(convert(JSON.stringify(original)))
      assert.deepEqual(parsed, JSON.parse(JSON.stringify(original)))
    }),
  )
})

test('whatever is given, it is converted or refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'a:-?[]{},&*!|>"\'#\n \t%<1~'.split('')) }), (text) => {
      try {
        JSON.parse(convert(text))
      } catch (error) {
        assert.ok(error instanceof CliError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})
