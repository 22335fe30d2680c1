/** The examples of docs/manifest.md and docs/manifest-members.md, read as they stand there, and the fields they name. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { collateralForm, infrastructureForm, packageForm, type PolicyForm } from '@taw/attestation'
import { manifestSchema } from '@taw/protocol'
import { parseManifest } from './index.ts'
import { firstCertificate, rsa2048 } from './test-manifests.ts'

const root = path.resolve(import.meta.dirname, '../../../..')
const read = (name: string): string => readFileSync(path.join(root, 'docs', name), 'utf8')
const examplesIn = (text: string): string[] =>
  [...text.matchAll(/^```json\n(.*?)^```$/gms)].map(([, example = '']) => example)
const guide = read('manifest.md')
const members = read('manifest-members.md')
const examples = examplesIn(guide)

interface Example {
  readonly Packages: Readonly<Record<string, unknown>>
}

test('each example is accepted without a warning, and together they show every kind of TEE', () => {
  const kinds = new Set<string>()
  for (const text of examples) {
    const example = JSON.parse(text) as Example
    const Marbles = Object.fromEntries(Object.keys(example.Packages).map((name) => [name, { Package: name }]))
    const raw = Buffer.from(JSON.stringify({ ...example, Marbles }))
    const { manifest, warnings } = parseManifest(raw, { now: () => new Date('2026-06-01T00:00:00Z') })
    assert.deepEqual(warnings, [], text)
    for (const { source, ...policies } of manifest.packages.values()) {
      assert.ok(source)
      for (const [kind, accepted] of Object.entries(policies)) if (accepted !== undefined) kinds.add(kind)
    }
  }
  assert.deepEqual([...kinds].sort(), ['azureVtpm', 'nitro', 'sgx', 'snp', 'tdx'])
})

const namesIn = (form: PolicyForm): string[] =>
  form.kind === 'object'
    ? Object.entries(form.members).flatMap(([name, member]) => [name, ...namesIn(member)])
    : []

test('names every field', () => {
  const known = new Set([packageForm, infrastructureForm, collateralForm].flatMap(namesIn))
  // In the table as `RTMR0` … `RTMR3`.
  const missing = [...known].filter((name) => !/^RTMR[12]$/.test(name) && !guide.includes(`\`${name}\``))
  assert.deepEqual(missing, [])
})

test('the whole manifest is accepted without a warning', () => {
  const [example = '', ...others] = examplesIn(members)
  assert.deepEqual(others, [])
  const escaped = (pem: string): string => JSON.stringify(pem).slice(1, -1)
  const whole = example
    .replace(/-----BEGIN CERTIFICATE-----[^"]*/, escaped(firstCertificate))
    .replace(/-----BEGIN PUBLIC KEY-----[^"]*/, escaped(rsa2048))
  const { warnings } = parseManifest(Buffer.from(whole), { now: () => new Date('2026-06-01T00:00:00Z') })
  assert.deepEqual(warnings, [])
})

test('every member of the manifest is in one of the two', () => {
  const { properties } = manifestSchema as { properties: Record<string, { properties?: object }> }
  const known = [...Object.keys(properties), ...Object.keys(properties['Config']?.properties ?? {})]
  const missing = known.filter((name) => name !== '$schema' && !`${guide}${members}`.includes(`\`${name}\``))
  assert.deepEqual(missing, [])
})
