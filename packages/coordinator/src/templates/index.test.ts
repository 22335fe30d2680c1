import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { compileTemplate, defaultTemplateLimits, TemplateError, type TemplateLimits } from './index.ts'
import { ownCases, ownData, render } from './testdata/load.ts'

const bytesOf = (source: string): Uint8Array => new Uint8Array(Buffer.from(source))

function errorOf(source: string, limits?: Partial<TemplateLimits>): TemplateError {
  try {
    compileTemplate(bytesOf(source), 'file').execute(ownData, limits)
  } catch (error) {
    assert.ok(error instanceof TemplateError)
    return error
  }
  assert.fail(`no error from ${source}`)
}

test('a compiled template can be executed again and again', () => {
  const template = compileTemplate(bytesOf('{{ $x := 1 }}{{ range 3 }}{{ $x = . }}{{ end }}{{ $x }}'), 'file')
  for (let round = 0; round < 3; round++) assert.equal(Buffer.from(template.execute(ownData)).toString(), '2')
})

test('the output is a copy, and text passes byte for byte', () => {
  const source = new Uint8Array([0, 0xff, 0x80, 0x7b, 0x0a])
  const output = compileTemplate(source, 'file').execute(ownData)
  assert.deepEqual([...output], [...source])
  assert.notEqual(output.buffer, source.buffer)
})

test('errors name stage, line and column, counted in bytes', () => {
  const parse = errorOf('a\nbß {{ nofunc }}')
  assert.deepEqual([parse.stage, parse.line, parse.column], ['parse', 2, 8])
  const execute = errorOf('a\n\n  {{ .Secrets.key.Nope }}')
  assert.deepEqual([execute.stage, execute.line, execute.column], ['execute', 3, 6])
})

test('errors point at what was probably meant', () => {
  assert.match(errorOf('{{ hxe .Secrets.key }}').message, /unknown function "hxe"; did you mean "hex"\?/)
  assert.match(errorOf('{{ string .Secrets.key }}').message, /"string": it is for Env; in Files use raw/)
  assert.match(errorOf('{{ .Secret.key }}').message, /".Secret" is no field .*; did you mean ".Secrets"\?/)
  assert.match(errorOf('{{ .Secrets.with-dash }}').message, /index .Secrets "my-key"/)
  assert.match(errorOf('{{ $key := 1 }}{{ $kez }}').message, /did you mean "\$key"\?/)
  assert.match(errorOf('{{ hex .Secrets.nothing }}').message, /hex: the value does not exist/)
})

test('errors hold no value', () => {
  const leaky = [
    '{{ index "abc" (index .Secrets.key.Private 3) }}',
    '{{ slice "abc" (index .Secrets.key.Private 3) }}',
    '{{ hex (raw .Secrets.password) }}',
    '{{ eq (raw .Secrets.password) 1 }}',
    '{{ template "x" (raw .Secrets.password) }}',
    '{{ range (raw .Secrets.password) }}{{ end }}',
    '{{ index .Secrets.tls.Cert.DNSNames (index .Secrets.key.Private 3) }}',
    '{{ (raw .Secrets.password).x }}',
  ].map((source) => ({ source: bytesOf(source), kind: 'file' as const }))
  const failing = ownCases.filter(({ expected }) => 'error' in expected)
  const messages = [...leaky, ...failing].map(({ source, kind }) => {
    try {
      compileTemplate(source, kind).execute(ownData)
    } catch (error) {
      assert.ok(error instanceof TemplateError)
      return error.message.replace(/^template line \d+, column \d+: /, '')
    }
    assert.fail(`no error from ${Buffer.from(source).toString()}`)
  })
  for (const message of messages) {
    assert.doesNotMatch(message, /s3cr&t|umlauts|former|keyword/)
    // The fourth byte of the key is 19.
    assert.doesNotMatch(message, /\b19\b/)
  }
})

test('endless templates end in an error that says so', () => {
  assert.match(errorOf('{{ range 1000000000 }}{{ end }}').message, /needs more than 5000000 steps/)
  assert.match(errorOf('{{ range 1000000000 }}{{ range 5 }}{{ end }}{{ end }}').message, /steps/)
  assert.match(
    errorOf('{{ define "r" }}{{ template "r" }}{{ end }}{{ template "r" }}').message,
    /nest deeper/,
  )
})

test('output and strings on the way are limited before they are made', () => {
  assert.match(errorOf('{{ range 100 }}0123456789{{ end }}', { outputBytes: 999 }).message, /larger than 999/)
  assert.equal(render('{{ range 100 }}0123456789{{ end }}').length, 1000)
  const doubling = '{{ $x := "ab" }}{{ range 200 }}{{ $x = print $x $x }}{{ end }}'
  assert.match(errorOf(doubling).message, /puts together more than/)
  assert.match(errorOf('{{ range 300 }}{{ len (printf "%1000000d" 1) }}{{ end }}').message, /puts together/)
  assert.match(
    errorOf('{{ printf "%1000000d" 1 | html | js | urlquery }}', { builtBytes: 10 }).message,
    /printf:/,
  )
})

test('each limit can be set, and the defaults hold for the others', () => {
  assert.match(errorOf('{{ range 100 }}{{ end }}', { steps: 50 }).message, /more than 50 steps/)
  const calls =
    '{{ define "r" }}{{ if . }}{{ template "r" slice . 1 }}{{ end }}{{ end }}{{ template "r" "12345" }}'
  assert.match(errorOf(calls, { callDepth: 5 }).message, /deeper than 5/)
  compileTemplate(bytesOf(calls), 'file').execute(ownData, { callDepth: 6 })
  assert.equal(defaultTemplateLimits.callDepth, 100_000)
  assert.throws(
    () => compileTemplate(bytesOf('{{ ((1)) }}'), 'file', { parenthesisDepth: 1 }),
    /deeper than 1$/,
  )
})

test('nesting never meets the end of the host stack', () => {
  const nested = (open: string, inner: string, close: string, depth: number): string =>
    open.repeat(depth) + inner + close.repeat(depth)
  const depth = defaultTemplateLimits.parenthesisDepth
  assert.equal(render(`{{${nested('(', '1', ')', depth)}}}`), '1')
  assert.equal(render(`{{${nested('(and 1 ', '2', ')', depth - 1)}}}`), '2')
  assert.equal(errorOf(`{{${nested('(', '1', ')', depth + 1)}}}`).stage, 'parse')
  assert.equal(render(nested('{{if 1}}', 'x', '{{end}}', 50_000)), 'x')
  assert.equal(render(`{{if 0}}${'{{else if 0}}'.repeat(50_000)}{{else}}x{{end}}`), 'x')
  assert.equal(render(`{{1${'|print'.repeat(20_000)}}}`), '1')
  assert.equal(render(`${'{{/* c */}}'.repeat(50_000)}x`), 'x')
  assert.equal(render(`{{.Secrets.nothing${'.a'.repeat(50_000)}}}`), '<no value>')
})

test('100000 template calls may nest, one more may not', () => {
  const descend = (depth: number): string =>
    '{{ define "r" }}{{ if . }}{{ template "r" slice . 1 }}{{ else }}end{{ end }}{{ end }}' +
    `{{ template "r" printf "%${depth - 1}d" 0 }}`
  assert.equal(render(descend(100_000)), 'end')
  assert.match(errorOf(descend(100_001)).message, /deeper than 100000/)
})

test('a certificate that cannot be decoded fails only where a field is asked for', () => {
  const key = ownData.secrets.get('key')
  assert.ok(key !== undefined)
  const data = {
    ...ownData,
    secrets: new Map([['key', { ...key, certificate: new Uint8Array([0x30, 0x84, 0xff]) }]]),
  }
  assert.equal(render('{{ hex .Secrets.key.Cert }}{{ len .Secrets.key.Cert.Raw }}', 'file', data), '3084ff3')
  assert.throws(() => render('{{ .Secrets.key.Cert.Subject }}', 'file', data), /cannot be decoded/)
})

/** Pieces that make random templates reach the parser's corners. */
const pieces = [
  '{{', '}}', '{{-', '-}}', ' ', '\n', '"', '`', "'", '|', ':=', '=', ',', '(', ')', '.', '$', '$x', 'nil', 'true', '1', '-1',
  '1.5', '1i', '0x', 'end', 'else', 'if ', 'with ', 'range ', 'define "t"', 'template "t"', 'block "t"', 'break', 'continue',
  'print ', 'printf "%d%[2]*v" ', 'index ', 'slice ', '.Secrets', '.key', '.Private', '.Cert', '.NotAfter', '/*', '*/', '\\',
  '\xff', 'é', '%',
] // prettier-ignore

const randomBytes = fc.uint8Array({ maxLength: 200 })
const randomPieces = fc
  .array(fc.constantFrom(...pieces), { maxLength: 40 })
  .map((parts) => new Uint8Array(Buffer.from(parts.join(''), 'latin1')))
const mutated = fc
  .tuple(fc.constantFrom(...ownCases), fc.nat(), fc.nat(4), fc.constantFrom(...pieces))
  .map(([{ source }, at, removed, piece]) => {
    const text = Buffer.from(source).toString('latin1')
    const cut = at % (text.length + 1)
    return new Uint8Array(Buffer.from(text.slice(0, cut) + piece + text.slice(cut + removed), 'latin1'))
  })

test('whatever the bytes, a template compiles and executes or fails with a TemplateError', () => {
  fc.assert(
    fc.property(
      fc.oneof(randomBytes, randomPieces, mutated),
      fc.constantFrom('file' as const, 'env' as const),
      (source, kind) => {
        try {
          compileTemplate(source, kind).execute(ownData, { steps: 20_000, builtBytes: 1_000_000 })
        } catch (error) {
          assert.ok(error instanceof TemplateError, String(error))
          assert.ok(error.line >= 1 && error.column >= 1)
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('names of JavaScript properties lead nowhere', () => {
  const names = Object.getOwnPropertyNames(Object.prototype)
    .concat(Object.getOwnPropertyNames(Array.prototype), Object.getOwnPropertyNames(Function.prototype))
    .concat(['type', 'kind', 'value', 'field', 'data', 'fields', 'methods', 'call', 'prototype'])
    .filter((name) => /^[A-Za-z_]\w*$/.test(name))
  for (const name of names) {
    assert.equal(render(`{{ .Secrets.${name} }}`), '<no value>', name)
    for (const receiver of [
      '$',
      '.Secrets.key',
      '.Secrets.key.Private',
      '.Secrets.key.Type',
      '.Secrets.tls.Cert.NotAfter',
    ])
      assert.throws(() => render(`{{ ${receiver}.${name} }}`), TemplateError, `${receiver}.${name}`)
  }
})
