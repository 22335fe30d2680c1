/** The examples of docs/manifest.md, read as they stand there, and the fields that it names. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { collateralForm, infrastructureForm, packageForm, type PolicyForm } from '@taw/attestation'
import { parseManifest } from './index.ts'

const root = path.resolve(import.meta.dirname, '../../../..')
const guide = readFileSync(path.join(root, 'docs/manifest.md'), 'utf8')
const examples = [...guide.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']) => text)

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
