import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  decodeManifest,
  isPackageUpdate,
  loadManifest,
  ManifestInvalid,
  parseManifest,
} from '../../packages/coordinator/src/manifest/index.ts'
import { manifestSchema } from '../../packages/protocol/src/manifest-schema.ts'
import { readShared, sharedPath, skipWithoutShared } from '../support/shared.ts'
import { recordedManifests } from './manifest-scenarios.ts'

/** Some time before the recorded ends of validity. */
const ports = { now: () => new Date('2026-06-01T00:00:00Z') }

/** Recorded as accepted and refused by ours, each by a rule of spec/quirks.md. */
const stricter: Readonly<Record<string, string>> = {
  'manifest-refused-packages#28': 'the form of SignerID and UniqueID is checked',
  'manifest-refused-packages#30': 'names in AcceptedTCBStatuses are checked',
  'manifest-refused-tls#12': 'ports in TLS tags are checked',
}

/**
 * Proposed updates that the original takes, and refuses when the last user agrees to them: their templates are
 * rendered only then.
 */
const refusedWhenApplied: readonly string[] = ['full-update-apply-fails#19', 'full-update-apply-fails#20']

/** As {@link stricter}, for `golden/certificates/secrets.json`. */
const stricterSecrets: Readonly<Record<string, string>> = {
  'cert-text-not-base64': 'a Cert string that is no base64 is refused',
}

/** What is wrong with a manifest; undefined: nothing. */
function refusalOf(raw: Uint8Array): ManifestInvalid | undefined {
  try {
    parseManifest(raw, ports)
    return undefined
  } catch (error) {
    if (error instanceof ManifestInvalid) return error
    throw error
  }
}

const isUpdateOfPackages = (raw: Uint8Array): boolean => {
  try {
    return isPackageUpdate(decodeManifest(raw).source)
  } catch {
    return false
  }
}

test('accepts and refuses the manifests of all scenarios as recorded', { skip: skipWithoutShared }, () => {
  const differing: string[] = []
  let accepted = 0
  let refused = 0
  for (const { id, about, raw, isAccepted } of recordedManifests()) {
    // Accepted updates of packages are no whole manifests.
    if (isAccepted && isUpdateOfPackages(raw)) continue
    const refusal = refusalOf(raw)
    if (isAccepted) accepted++
    else refused++
    const isExpected = isAccepted && !(id in stricter) && !refusedWhenApplied.includes(id)
    if ((refusal === undefined) !== isExpected)
      differing.push(`${id} (${about}): ${refusal?.message ?? 'accepted'}`)
  }
  assert.deepEqual(differing, [])
  for (const { id, raw } of recordedManifests()) {
    if (refusedWhenApplied.includes(id)) assert.doesNotThrow(() => loadManifest(raw), id)
  }
  assert.ok(accepted > 100 && refused > 150, `${accepted} accepted, ${refused} refused`)
})

interface SecretCase {
  readonly id: string
  /** As written: parsed and written anew, `256.0` would be `256`. */
  readonly secret: string
  readonly isAccepted: boolean
}

/** One case stands on each line. */
function secretCases(): SecretCase[] {
  const lines = readFileSync(sharedPath('golden/certificates/secrets.json'), 'utf8').split('\n')
  return lines.flatMap((line) => {
    const match = /^\{"id": "([^"]+)", "secret": (.*), "expect": (\{"error")?/.exec(line)
    return match === null
      ? []
      : { id: match[1] ?? '', secret: match[2] ?? '', isAccepted: match[3] === undefined }
  })
}

test('accepts and refuses definitions of secrets as recorded', { skip: skipWithoutShared }, () => {
  const cases = secretCases()
  const differing: string[] = []
  for (const { id, secret, isAccepted } of cases) {
    const around = { Packages: { app: { UniqueID: '7a'.repeat(32) } }, Marbles: { web: { Package: 'app' } } }
    const refusal = refusalOf(
      Buffer.from(`${JSON.stringify(around).slice(0, -1)},"Secrets":{"s":${secret}}}`),
    )
    const isExpected = isAccepted && !(id in stricterSecrets)
    if ((refusal === undefined) !== isExpected) differing.push(`${id}: ${refusal?.message ?? 'accepted'}`)
    for (const { path, severity } of refusal?.problems ?? []) {
      if (severity === 'error' && !path.startsWith('Secrets.s.')) differing.push(`${id}: blamed ${path}`)
    }
  }
  assert.deepEqual(differing, [])
  assert.equal(cases.length, 246)
})

interface TtlsCases {
  readonly secrets: Readonly<Record<string, unknown>>
  readonly cases: readonly {
    readonly id: string
    readonly tags: Readonly<Record<string, unknown>>
    readonly marbleTLS?: readonly string[]
  }[]
}

test(
  'accepts the recorded TLS tags, but for a secret that is no certificate',
  { skip: skipWithoutShared },
  () => {
    const { secrets, cases } = readShared('golden/environment/ttls.json') as TtlsCases
    const refused = cases.filter(({ tags, marbleTLS = [] }) => {
      const manifest = {
        Packages: { app: { UniqueID: '7a'.repeat(32) } },
        Marbles: { web: { Package: 'app', TLS: marbleTLS } },
        Secrets: secrets,
        TLS: tags,
      }
      return refusalOf(Buffer.from(JSON.stringify(manifest))) !== undefined
    })
    assert.deepEqual(
      refused.map(({ id }) => id),
      ['ttls-own-cert-symmetric'],
    )
  },
)

interface Vector {
  readonly id: string
  readonly kind: 'file' | 'env'
  readonly template?: string
  readonly template_base64?: string
  readonly expect: { readonly error?: string }
  readonly set_time?: string
}

/** Template vectors on which our dry run is right to differ. */
const differingVectors: Readonly<Record<string, string>> = {
  'string-literals-045': 'a variable that comes out with a NUL is refused (spec/quirks.md)',
  'builtin-logic-070': 'whether a plain secret has 1000 bytes is known only when it is uploaded',
}

/** The vectors that a manifest with all of them as files and variables is refused for. */
function refusedVectors(vectors: readonly Vector[], secrets: unknown): Set<string> {
  const valueOf = ({ template, template_base64 }: Vector) =>
    template_base64 === undefined ? template : { Data: template_base64, Encoding: 'base64' }
  const valuesOf = (kind: Vector['kind']) =>
    Object.fromEntries(
      vectors.filter((vector) => vector.kind === kind).map((vector) => [vector.id, valueOf(vector)]),
    )
  const manifest = {
    Packages: { app: { UniqueID: '7a'.repeat(32) } },
    Marbles: { web: { Package: 'app', Parameters: { Files: valuesOf('file'), Env: valuesOf('env') } } },
    Secrets: secrets,
  }
  const problems = refusalOf(Buffer.from(JSON.stringify(manifest)))?.problems ?? []
  const errors = problems.filter(({ severity }) => severity === 'error')
  return new Set(errors.map(({ path }) => path.replace(/^Marbles\.web\.Parameters\.(Files|Env)\./, '')))
}

test(
  'templates are accepted and refused when the manifest is set, as recorded',
  { skip: skipWithoutShared },
  () => {
    const data = readShared('golden/templates/data.json') as {
      readonly Secrets: Readonly<Record<string, object>>
    }
    const definitions = Object.entries(data.Secrets).map(([name, secret]) => [
      name,
      { ...secret, Cert: undefined, Private: undefined, Public: undefined },
    ])
    const differing: string[] = []
    let compared = 0
    for (const file of readdirSync(sharedPath('golden/templates'))) {
      if (!file.endsWith('.json') || file === 'data.json') continue
      const { vectors } = readShared(`golden/templates/${file}`) as { readonly vectors: readonly Vector[] }
      const refused = refusedVectors(vectors, Object.fromEntries(definitions))
      for (const { id, expect, set_time } of vectors) {
        // Where the original's one-byte stand-ins decided, the recording does not bind us (spec/secrets.md).
        if (set_time !== undefined) continue
        compared++
        const isExpected = refused.has(id) === (expect.error !== undefined)
        if (isExpected === id in differingVectors)
          differing.push(`${id}: ${refused.has(id) ? 'refused' : 'accepted'}`)
      }
    }
    assert.deepEqual(differing, [])
    assert.ok(compared > 2300, String(compared))
  },
)

type Schema = Readonly<Record<string, unknown>>
const schemaOf = (value: unknown): Schema | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined

/** A value with everything that a schema knows. */
function sampleOf(schema: Schema): unknown {
  const [first] = [schema['enum'], schema['anyOf']].flatMap((choice): unknown[] =>
    Array.isArray(choice) ? choice : [],
  )
  if (first !== undefined) return schemaOf(first) === undefined ? first : sampleOf(schemaOf(first) ?? {})
  switch (schema['type']) {
    case 'object': {
      const properties = Object.entries(schemaOf(schema['properties']) ?? {})
      const entry = schemaOf(schema['additionalProperties'])
      if (entry !== undefined) return { x: sampleOf(entry) }
      return Object.fromEntries(
        properties.map(([name, property]) => [name, sampleOf(schemaOf(property) ?? {})]),
      )
    }
    case 'array':
      return [1, 2].map(() => sampleOf(schemaOf(schema['items']) ?? {}))
    case 'integer':
      return 1
    case 'boolean':
      return true
    default:
      return sampleText(schema)
  }
}

function sampleText({ format, pattern, contentEncoding }: Schema): string {
  if (format === 'date-time') return '2030-12-31T23:59:59Z'
  if (format === 'ipv4') return '192.0.2.1'
  if (contentEncoding === 'base64') return 'AAAA'
  return (
    ['1.2.3', '8443', '7a'.repeat(32), 'x'].find((text) =>
      new RegExp(typeof pattern === 'string' ? pattern : '').test(text),
    ) ?? ''
  )
}

test('the JSON Schema names nothing that the decoder does not know', () => {
  const sample = sampleOf(manifestSchema)
  const { report, source } = decodeManifest(Buffer.from(JSON.stringify(sample)))
  assert.deepEqual(report.problems(), [])
  assert.deepEqual(
    Object.keys(source),
    Object.keys(schemaOf(sample) ?? {}).filter((name) => name !== '$schema'),
  )
})
