import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { compileTemplate, type TemplateData, type TemplateReferences, type TemplateSecret } from './index.ts'
import { outcomeOf, ownCases, ownData, type Vector } from './testdata/load.ts'

const referencesOf = (source: string): TemplateReferences =>
  compileTemplate(new Uint8Array(Buffer.from(source)), 'file').references

/** As `a b | c`: current and previous names, a star for all. */
function written(source: string): string {
  const { secrets, previousSecrets, allSecrets, allPreviousSecrets } = referencesOf(source)
  const names = (set: ReadonlySet<string>, all: boolean): string =>
    [...(all ? ['*'] : []), ...[...set].sort()].join(' ')
  return `${names(secrets, allSecrets)}|${names(previousSecrets, allPreviousSecrets)}`
}

const precise: readonly (readonly [source: string, references: string])[] = [
  ['text', '|'],
  ['{{ pem .MarbleRun.MarbleCert.Cert }}{{ .MarbleRun }}', '|'],
  ['{{ raw .Secrets.a }}', 'a|'],
  ['{{ raw $.Secrets.a }}{{ .SecretsWrapper.Secrets.b.Type }}', 'a b|'],
  ['{{ raw .Previous.Secrets.a }}', '|a'],
  ['{{ hex (.Secrets.a.Private) }}{{ ((.Secrets).b).Type }}', 'a b|'],
  ['{{ raw (index .Secrets "a-b") }}{{ index .Previous.Secrets "c" | hex }}', 'a-b|c'],
  ['{{ "a" | index .Secrets | hex }}{{ index .Secrets ("b") }}', 'a b|'],
  ['{{ .Secrets.ä.Type }}{{ index .Secrets "😀" }}', 'ä 😀|'],
  ['{{ if .Secrets.a }}{{ raw .Secrets.b }}{{ else if .Secrets.c }}{{ else }}{{ raw .Secrets.d }}{{ end }}', 'a b c d|'],
  ['{{ with .Secrets.a }}{{ raw . }}{{ .Private }}{{ raw $.Secrets.b }}{{ else }}{{ raw .Secrets.c }}{{ end }}', 'a b c|'],
  ['{{ with .MarbleRun }}{{ pem .RootCA.Cert }}{{ end }}{{ raw .Secrets.a }}', 'a|'],
  ['{{ with . }}{{ raw .Secrets.a }}{{ end }}{{ if . }}{{ end }}', 'a|'],
  ['{{ with .Previous }}{{ raw .Secrets.a }}{{ end }}{{ raw .Secrets.b }}', 'b|a'],
  ['{{ range 3 }}{{ . }}{{ raw $.Secrets.a }}{{ else }}{{ raw .Secrets.b }}{{ end }}{{ raw .Secrets.c }}', 'a b c|'],
  ['{{ range .Secrets.a.Private }}{{ . }}{{ end }}', 'a|'],
  ['{{ $x := .Secrets.a }}{{ raw $x }}{{ $y := 1 }}{{ $y = raw .Secrets.b }}', 'a b|'],
  ['{{ or .Secrets.a .Secrets.b "none" }}{{ and .Secrets.c.Private 1 }}', 'a b c|'],
  ['{{ .Secrets.a.Equal .Previous.Secrets.a }}{{ .Secrets.b | .Secrets.c.Equal }}', 'a b c|a'],
  ['{{ define "t" }}{{ raw .Secrets.a }}{{ end }}{{ template "t" . }}', 'a|'],
  ['{{ define "t" }}{{ raw . }}{{ .Secrets.x }}{{ end }}{{ template "t" .Secrets.a }}', 'a|'],
  ['{{ define "t" }}{{ raw .a }}{{ end }}{{ template "t" .Secrets }}{{ template "t" .Previous.Secrets }}', 'a|a'],
  ['{{ define "t" }}{{ if .Secrets.n }}{{ template "t" . }}{{ end }}{{ end }}{{ template "t" $ }}', 'n|'],
  ['{{ define "unused" }}{{ . }}{{ raw .Secrets.a }}{{ end }}', '|'],
  ['{{ block "b" . }}{{ raw .Secrets.a }}{{ end }}{{ block "c" .Previous }}{{ raw .Secrets.b }}{{ end }}', 'a|b'],
  ['{{ if false }}{{ raw .Secrets.a }}{{ end }}', 'a|'],
  ['{{ .Secrets.a 1 }}{{ . .Secrets.b }}{{ 1 2 .Secrets.c }}', 'a b c|'],
] // prettier-ignore

test('the common forms are followed by name', () => {
  for (const [source, references] of precise) assert.equal(written(source), references, source)
})

const everything: readonly (readonly [source: string, references: string])[] = [
  ['{{ . }}', '*|*'],
  ['{{ $ }}', '*|*'],
  ['{{ .Secrets }}', '*|'],
  ['{{ .Previous }}', '|*'],
  ['{{ .Previous.Secrets }}', '|*'],
  ['{{ .SecretsWrapper }}', '*|'],
  ['{{ range .Secrets }}{{ raw . }}{{ end }}', '*|'],
  ['{{ range $n, $s := .Previous.Secrets }}{{ raw $s }}{{ end }}', '|*'],
  ['{{ $s := .Secrets }}{{ raw $s.a }}', '*|'],
  ['{{ $r := . }}{{ raw $r.Secrets.a }}', '*|*'],
  ['{{ $x := 1 }}{{ $x = .Previous }}', '|*'],
  ['{{ $ = .Secrets }}{{ raw $.a }}', '*|'],
  ['{{ with $x := . }}{{ end }}', '*|*'],
  ['{{ with .Secrets }}{{ raw .a }}{{ end }}', '* a|'],
  ['{{ if .Secrets }}{{ end }}', '*|'],
  ['{{ len .Secrets }}', '*|'],
  ['{{ printf "%v" . }}', '*|*'],
  ['{{ .Previous | print }}', '|*'],
  ['{{ print (.Secrets) }}', '*|'],
  ['{{ $n := "a" }}{{ raw (index .Secrets $n) }}', '*|'],
  ['{{ index .Secrets (print "a") }}', '*|'],
  ['{{ index .Secrets (or "a" "b") }}', '*|'],
  ['{{ index .Secrets (and "" "b") }}', '*|'],
  ['{{ "b" | or "a" | index .Secrets }}', '*|'],
  ['{{ index .Secrets }}', '*|'],
  ['{{ (or .Secrets .Previous).a }}', '*|'],
  ['{{ (and 1 .).Secrets.a }}', 'a|'],
  ['{{ (or . 1).Secrets.a }}', '*|*'],
  ['{{ define "t" }}{{ . }}{{ end }}{{ template "t" . }}', '*|*'],
  ['{{ define "t" }}{{ range . }}{{ end }}{{ end }}{{ template "t" .Previous.Secrets }}', '|*'],
  ['{{ eq .Secrets nil }}', '*|'],
  ['{{ .Secrets.a.Equal . }}', '* a|*'],
] // prettier-ignore

test('what cannot be followed counts as everything', () => {
  for (const [source, references] of everything) assert.equal(written(source), references, source)
})

const withoutValues = (secret: TemplateSecret): TemplateSecret => ({
  ...secret,
  certificate: undefined,
  private: undefined,
  public: undefined,
})

/** The data without the values of all secrets that the template is said not to reach. */
function emptied(data: TemplateData, references: TemplateReferences): TemplateData {
  const keep = (
    secrets: ReadonlyMap<string, TemplateSecret>,
    names: ReadonlySet<string>,
    all: boolean,
  ): ReadonlyMap<string, TemplateSecret> =>
    new Map(
      [...secrets].map(([name, secret]) => [name, all || names.has(name) ? secret : withoutValues(secret)]),
    )
  return {
    ...data,
    secrets: keep(data.secrets, references.secrets, references.allSecrets),
    previousSecrets: keep(data.previousSecrets, references.previousSecrets, references.allPreviousSecrets),
  }
}

/** Templates that call themselves are only worth their first rounds. */
const limits = { steps: 20_000, callDepth: 50 }

function assertEnough(vector: Pick<Vector, 'source' | 'kind'>): void {
  let references
  try {
    references = compileTemplate(vector.source, vector.kind).references
  } catch {
    return
  }
  assert.deepEqual(
    outcomeOf(vector, emptied(ownData, references), limits),
    outcomeOf(vector, ownData, limits),
    Buffer.from(vector.source).toString(),
  )
}

test('our own cases come out the same without the secrets that they do not reach', () => {
  for (const vector of ownCases) assertEnough(vector)
})

const container = fc.constantFrom(
  '.',
  '$',
  '.Secrets',
  '$.Secrets',
  '.Previous',
  '.Previous.Secrets',
  '.SecretsWrapper',
  '$x',
  '$y',
)
const name = fc.constantFrom('key', 'short', 'tls', 'password', 'gone', 'nothing')
const operand: fc.Arbitrary<string> = fc.oneof(
  container,
  fc.tuple(container, name).map(([holder, key]) => `${holder === '.' ? '' : holder}.${key}`),
  fc.tuple(container, name).map(([holder, key]) => `${holder === '.' ? '' : holder}.Secrets.${key}.Private`),
  fc.tuple(container, name).map(([holder, key]) => `(index ${holder} "${key}")`),
  fc.constantFrom('"key"', '"short"', '"gone"', '1', '""', 'nil', '.Private', '.Public'),
)
const expression: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: operand },
  fc
    .tuple(
      fc.constantFrom(
        'print',
        'printf "%s"',
        'or',
        'and',
        'index',
        'len',
        'hex',
        'raw',
        'eq',
        'not',
        'slice',
        'html',
      ),
      fc.array(operand, { maxLength: 3 }),
    )
    .map(([verb, operands]) => [verb, ...operands].join(' ')),
  fc.tuple(operand, operand, name).map(([left, right, key]) => `(or ${left} ${right}).${key}`),
  fc
    .tuple(operand, fc.constantFrom('index .Secrets', 'or "short"', 'and 1', 'print', '.Secrets.key.Equal'))
    .map((parts) => parts.join(' | ')),
)
const block: fc.Arbitrary<string> = fc.letrec<{ block: string }>((tie) => ({
  block: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    expression.map((value) => `{{ ${value} }}`),
    fc
      .tuple(fc.constantFrom('$x :=', '$y :=', '$x =', '$ ='), expression)
      .map((parts) => `{{ ${parts.join(' ')} }}`),
    fc
      .tuple(
        fc.constantFrom('if', 'with', 'range', 'with $x :=', 'range $x, $y :='),
        expression,
        tie('block'),
        tie('block'),
      )
      .map(([keyword, value, body, other]) => `{{ ${keyword} ${value} }}${body}{{ else }}${other}{{ end }}`),
    expression.map((value) => `{{ template "t" ${value} }}`),
    fc.tuple(tie('block'), tie('block')).map((parts) => parts.join('')),
  ),
})).block

test('no template reaches a secret that is not among its references', () => {
  fc.assert(
    fc.property(block, block, (main, named) => {
      const source = `{{ $x := 0 }}{{ $y := "key" }}${main}{{ define "t" }}{{ $x := . }}{{ $y := . }}{{ if eq 1 1 }}${named}{{ end }}{{ end }}`
      assertEnough({ kind: 'file', source: new Uint8Array(Buffer.from(source)) })
    }),
    { numRuns: 3000 },
  )
})
