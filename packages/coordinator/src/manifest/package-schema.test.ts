import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  collateralForm,
  infrastructureForm,
  packageForm,
  readCollateralPolicy,
  readInfrastructurePolicy,
  readPackagePolicy,
  type PolicyForm,
} from '@taw/attestation'
import { manifestSchema } from '@taw/protocol'
import fc from 'fast-check'
import { parseJson } from './json.ts'
import { policyRecord } from './policy-shape.ts'
import { Report } from './report.ts'

/** What editors are told by the JSON Schema is what the Coordinator takes, for policies in their canonical spelling. */

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const member = (json: unknown, ...names: readonly string[]): unknown =>
  names.reduce((at: unknown, name) => (isObject(at) ? at[name] : undefined), json)
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** JSON Schema 2020-12, as far as these schemas use it; another keyword fails the test. */
function fits(schema: unknown, value: unknown): boolean {
  if (!isObject(schema)) return schema !== false
  return Object.entries(schema).every(([keyword, given]) => {
    switch (keyword) {
      case 'description':
        return true
      case 'contentEncoding':
        return typeof value !== 'string' || base64.test(value.replace(/[\r\n]/g, ''))
      case 'type':
        return [given].flat().some((type) => isOfType(type, value))
      case 'enum':
        return listOf(given).includes(value)
      case 'anyOf':
        return listOf(given).some((one) => fits(one, value))
      case 'pattern':
        return typeof value !== 'string' || new RegExp(String(given), 'u').test(value)
      case 'minimum':
        return typeof value !== 'number' || value >= Number(given)
      case 'maximum':
        return typeof value !== 'number' || value <= Number(given)
      case 'items':
        return !Array.isArray(value) || value.every((item) => fits(given, item))
      case 'minItems':
        return !Array.isArray(value) || value.length >= Number(given)
      case 'properties':
      case 'patternProperties':
      case 'additionalProperties':
        return keyword !== 'additionalProperties' || membersFit(schema, value)
      default:
        return assert.fail(`the test does not know the keyword ${keyword}`)
    }
  })
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function isOfType(type: unknown, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isObject(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

function membersFit(schema: Json, value: unknown): boolean {
  if (!isObject(value)) return true
  const { properties = {}, patternProperties = {}, additionalProperties } = schema
  return Object.entries(value).every(([name, item]) => {
    if (isObject(properties) && Object.hasOwn(properties, name)) return fits(properties[name], item)
    const [pattern] = Object.keys(patternProperties ?? {}).filter((one) => new RegExp(one, 'u').test(name))
    return fits(pattern === undefined ? additionalProperties : member(patternProperties, pattern), item)
  })
}

/** Texts of which each pattern takes some. */
const texts = [
  ...[0, 1, 8, 16, 32, 48, 64].flatMap((bytes) => ['a1'.repeat(bytes), 'Fe'.repeat(bytes)]),
  ...[
    'a',
    'zz',
    'g'.repeat(64),
    'a'.repeat(63),
    'a'.repeat(95),
    `${'a1'.repeat(32)}\n`,
    ` ${'a1'.repeat(48)}`,
  ],
  ...[
    '1.55',
    '1.55.3',
    '1.2.3.4',
    '1000.1',
    '.1',
    '30d',
    '24h',
    '1234567s',
    'd',
    '0s',
    '1w',
    'Milan',
    'milan',
    'VCEK',
  ],
]
const text = fc.constantFrom(...texts)
const anything: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.boolean(),
  fc.integer({ min: -1, max: 300 }),
  fc.constantFrom(1.5, [], {}),
)
const numbers = [0, 1, 3, 4, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]

/** Values of a form, most of them good. */
function valueOf(form: PolicyForm): fc.Arbitrary<unknown> {
  const good = ((): fc.Arbitrary<unknown> => {
    switch (form.kind) {
      case 'text': {
        if (form.oneOf !== undefined) return fc.constantFrom(...form.oneOf)
        return fc.constantFrom(...texts.filter((one) => new RegExp(form.pattern ?? '').test(one)))
      }
      case 'flag':
        return fc.boolean()
      case 'integer':
        return fc.constantFrom(...numbers)
      case 'bytes':
        return fc.constantFrom('', 'AAAA', 'AQ==', [], [0, 255], [256], [-1], [1.5], ['1'])
      case 'scalar':
        return fc.oneof(fc.boolean(), fc.string(), fc.integer())
      case 'list':
        return fc.array(valueOf(form.item), { maxLength: 3 })
      case 'one-or-list':
        return fc.oneof(valueOf(form.item), fc.array(valueOf(form.item), { maxLength: 2 }))
      case 'map': {
        const names = fc.constantFrom(
          '0',
          '4',
          'PCR8',
          'pcr11',
          '23',
          '24',
          'PCR31',
          '32',
          '99',
          '07',
          'PCR',
          '-1',
          'x',
        )
        return fc.dictionary(names, valueOf(form.entry), { maxKeys: 2 })
      }
      case 'object':
        return objectOf(form)
    }
  })()
  return fc.oneof({ weight: 19, arbitrary: good }, { weight: 1, arbitrary: anything })
}

const objectOf = ({ members }: Extract<PolicyForm, { kind: 'object' }>): fc.Arbitrary<Json> =>
  fc
    .subarray(Object.entries(members), { maxLength: Math.min(3, Object.keys(members).length) })
    .chain((chosen) => fc.record(Object.fromEntries(chosen.map(([name, one]) => [name, valueOf(one)]))))

/** What the Coordinator says of a policy, read as it reads manifests. */
function problemsOf(
  form: Extract<PolicyForm, { kind: 'object' }>,
  read: (source: unknown) => { readonly problems: readonly unknown[] },
  raw: Uint8Array,
): readonly unknown[] {
  const document = parseJson(raw, { depth: 100, values: 10_000 })
  const report = new Report(raw, document)
  const source = policyRecord(form).read(document, undefined, undefined, { report, raw })
  return report.hasErrors ? report.problems() : read(source).problems
}

/** With all that says which workload it is, or that this doesn't matter: what schemas can't say. */
function pinned(entry: Json): Json {
  const debug = (kind: unknown): unknown => (isObject(kind) ? { ...kind, Debug: true } : kind)
  const vtpm = entry['AzureVTPM']
  const snp = isObject(vtpm) ? (debug(vtpm['SNP']) ?? { Debug: true }) : undefined
  return {
    ...entry,
    SecurityVersion: entry['SecurityVersion'] ?? 1,
    Debug: true,
    TDX: debug(entry['TDX']),
    SNP: debug(entry['SNP']),
    Nitro: debug(entry['Nitro']),
    AzureVTPM: isObject(vtpm) ? { ...vtpm, SNP: snp, TDX: debug(vtpm['TDX']) } : vtpm,
  }
}

for (const [what, schema, form, read, complete] of [
  [
    'Packages',
    member(manifestSchema, 'properties', 'Packages', 'additionalProperties'),
    packageForm,
    readPackagePolicy,
    pinned,
  ],
  [
    'Infrastructures',
    member(manifestSchema, 'properties', 'Infrastructures', 'additionalProperties'),
    infrastructureForm,
    readInfrastructurePolicy,
    (entry: Json) => entry,
  ],
  [
    'Config.Collateral',
    member(manifestSchema, 'properties', 'Config', 'properties', 'Collateral'),
    collateralForm,
    readCollateralPolicy,
    (entry: Json) => entry,
  ],
] as const) {
  test(`the JSON Schema takes the same policies as the Coordinator: ${what}`, () => {
    let taken = 0
    let refused = 0
    fc.assert(
      fc.property(objectOf(form).map(complete), (policy) => {
        const text = JSON.stringify(policy)
        const problems = problemsOf(form, read, Buffer.from(text))
        if (problems.length === 0) taken++
        else refused++
        assert.equal(fits(schema, JSON.parse(text)), problems.length === 0, text + JSON.stringify(problems))
      }),
      { numRuns: 2000 },
    )
    assert.ok(
      taken > 100 && refused > 100,
      `${taken} taken, ${refused} refused: the test looks at one side only`,
    )
  })
}
