import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { collateralForm, infrastructureForm, packageForm, type PolicyForm } from '@taw/attestation'
import { manifestSchema } from '@taw/protocol'
import { ManifestInvalid, parseManifest, type PreparedManifest, type Problem } from './index.ts'
import { withVersion } from './package-update.ts'
import { manifestWith, signerId, uniqueId } from './test-manifests.ts'

const measured = 'a1'.repeat(48)
const TDX = { MRTD: measured, RTMR2: measured }

const bytesOf = (document: unknown): Uint8Array =>
  Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
const accept = (document: unknown): PreparedManifest =>
  parseManifest(bytesOf(document), { now: () => new Date('2026-06-01T00:00:00Z') })
const withPackage = (app: unknown, members: Record<string, unknown> = {}) =>
  manifestWith({ ...members, Packages: { app } })

function refuse(document: unknown): readonly Problem[] {
  try {
    accept(document)
  } catch (error) {
    assert.ok(error instanceof ManifestInvalid, String(error))
    return error.problems.filter(({ severity }) => severity === 'error')
  }
  return assert.fail('was accepted')
}
const pathsOf = (problems: readonly Problem[]): string[] => problems.map(({ path }) => path)

suite('packages of several kinds of TEE', () => {
  test('are decoded with all the liberties of a manifest', () => {
    const { manifest, warnings } = accept(
      withPackage({
        signerid: signerId.toUpperCase(),
        productID: 1,
        SecurityVersion: 2,
        tdx: { mrtd: measured.toUpperCase(), rtmr1: [measured], Debug: null },
        SNP: { Measurement: [measured], VMPL: 0, minimumtcb: { snp: 24 }, Policy: { smt: false } },
        Nitro: { PCRs: { pcr0: measured } },
        AzureVTPM: {
          PCRs: { 4: uniqueId },
          VMConfiguration: { 'secure-boot': [true], tries: 3 },
          TDX: { MRTD: measured },
        },
      }),
    )
    assert.deepEqual(warnings, [])
    const policy = manifest.packages.get('app')
    assert.equal(policy?.sgx?.signerId, signerId)
    assert.deepEqual(
      [policy.tdx?.mrTd, policy.tdx?.rtmr1, policy.tdx?.debug],
      [[measured], [measured], false],
    )
    assert.deepEqual([policy.snp?.vmpls, policy.snp?.minimumTcb], [[0], { snp: 24 }])
    assert.deepEqual(policy.snp?.guestPolicy?.smt, false)
    assert.deepEqual(policy.nitro?.pcrs, { 0: [measured] })
    assert.deepEqual(policy.azureVtpm?.vmConfiguration, { 'secure-boot': [true], tries: [3] })
  })

  test('may leave SGX out', () => {
    const { manifest } = accept(withPackage({ TDX }))
    const { source, ...policies } = manifest.packages.get('app') ?? {}
    assert.ok(source)
    assert.equal(Object.values(policies).filter((policy) => policy).length, 1)
  })

  test('are refused with line and column', () => {
    const problems = refuse(`{
  "Packages": { "app": { "tdx": { "MRTD": "${measured}",
    "RTMR1": ["${measured}", "zz"] },
    "SNP": { "Policy": { "SMT": 1 } },
    "Nitro": { "PCRs": { "PCR0": "aa" } },
    "Debug": true } },
  "Marbles": { "web": { "Package": "app" } }
}`)
    assert.deepEqual(
      problems.map(({ path, line, column }) => [path, line, column]),
      [
        ['Packages.app.TDX.RTMR1[1]', 3, 115],
        ['Packages.app.SNP.Policy.SMT', 4, 33],
        ['Packages.app.Nitro.PCRs.PCR0', 5, 34],
        ['Packages.app.Debug', 6, 14],
      ],
    )
  })

  test('have to pin the workload, and what is pinned loosely is warned about', () => {
    assert.deepEqual(pathsOf(refuse(withPackage({ TDX: { RTMR1: measured } }))), ['Packages.app.TDX'])
    assert.deepEqual(pathsOf(refuse(withPackage({ UniqueID: uniqueId, Nitro: {} }))), ['Packages.app.Nitro'])
    assert.deepEqual(pathsOf(accept(withPackage({ TDX: { MRTD: measured } })).warnings), ['Packages.app.TDX'])
    assert.deepEqual(pathsOf(accept(withPackage({ SNP: { Debug: true } })).warnings), [
      'Packages.app.SNP',
      'Packages.app.SNP.Debug',
    ])
  })

  test('are only warned about when no marble uses them, and accept nothing then', () => {
    const idle = { SNP: { Measurement: 'zz' }, TDX }
    const { manifest, warnings } = accept(manifestWith({ Packages: { app: { UniqueID: uniqueId }, idle } }))
    assert.deepEqual(pathsOf(warnings), ['Packages.idle.SNP.Measurement'])
    assert.match(warnings[0]?.message ?? '', /no marble uses this package yet/)
    assert.deepEqual(manifest.packages.get('idle'), {})
  })

  test('the package of no name is used by marbles that name none', () => {
    const Packages = { '': { SignerID: signerId } }
    for (const web of [{}, null, { Package: null }, { Package: '' }])
      assert.deepEqual(pathsOf(refuse({ Packages, Marbles: { web } })), ['Packages[""]'])
  })

  test('a version raised later makes no package accept enclaves that it did not accept', () => {
    assert.deepEqual(withVersion({}, 2), {})
    assert.deepEqual(withVersion({ sgx: { signerId } }, 2), { sgx: { signerId, securityVersion: 2 } })
  })

  test('members given twice are joined, those that are unknown warned about', () => {
    const { manifest, warnings } = accept(
      `{"Packages":{"app":{"TDX":{"MRTD":"${measured}"},"tdx":{"RTMR1":"${measured}","RTRM2":1}}},"Marbles":{"web":{"Package":"app"}}}`,
    )
    assert.deepEqual(Object.keys(manifest.packages.get('app')?.tdx?.rtmr1 ?? {}), ['0'])
    assert.deepEqual(pathsOf(warnings), ['Packages.app.TDX', 'Packages.app.TDX.RTRM2'])
    assert.match(warnings[1]?.message ?? '', /did you mean "RTMR2"/)
  })

  test('values of a wrong kind give no follow-up problems', () => {
    for (const [app, path] of [
      [{ TDX: [] }, 'Packages.app.TDX'],
      [{ TDX: { MRTD: 5 } }, 'Packages.app.TDX.MRTD'],
      [{ Nitro: { PCRs: 'x' } }, 'Packages.app.Nitro.PCRs'],
      [{ SNP: { Measurement: measured, MinimumTCB: { SNP: 1.5 } } }, 'Packages.app.SNP.MinimumTCB.SNP'],
      [{ SNP: { Measurement: [null] } }, 'Packages.app.SNP.Measurement[0]'],
    ] as const) {
      assert.deepEqual(pathsOf(refuse(withPackage(app))), [path])
    }
  })

  test('infrastructures of other vendors', () => {
    const { manifest } = accept(
      manifestWith({
        Infrastructures: { a: { SNP: { Products: 'Genoa', RootCA: 'MAA=' } }, b: { Nitro: {} } },
      }),
    )
    assert.deepEqual(manifest.infrastructures.get('a')?.snp?.products, ['Genoa'])
    assert.deepEqual(manifest.infrastructures.get('a')?.snp?.rootCa, Uint8Array.of(0x30, 0))
    assert.ok(manifest.infrastructures.get('b')?.nitro)
    assert.deepEqual(pathsOf(refuse(manifestWith({ Infrastructures: { a: { SNP: { ChipID: 'ee' } } } }))), [
      'Infrastructures.a.SNP.ChipID',
    ])
  })
})

type Schema = Readonly<Record<string, unknown>>

/** The JSON Schema that belongs to a form, without descriptions. */
function schemaOf(form: PolicyForm): Schema {
  switch (form.kind) {
    case 'text':
      if (form.oneOf !== undefined) return { enum: form.oneOf }
      return { type: 'string', ...(form.pattern === undefined ? {} : { pattern: form.pattern }) }
    case 'flag':
      return { type: 'boolean' }
    case 'integer': {
      // Larger ones would lose digits on the way through a JSON Schema.
      const isExact = form.maximum <= BigInt(Number.MAX_SAFE_INTEGER)
      return { type: 'integer', minimum: 0, ...(isExact ? { maximum: Number(form.maximum) } : {}) }
    }
    case 'bytes': {
      const octets = { type: 'array', items: { type: 'integer', minimum: 0, maximum: 255 } }
      return { anyOf: [{ type: 'string', contentEncoding: 'base64' }, octets] }
    }
    case 'scalar':
      return { type: ['string', 'number', 'boolean'] }
    case 'list':
      return { type: 'array', items: schemaOf(form.item) }
    case 'one-or-list': {
      const items = schemaOf(form.item)
      return { anyOf: [items, { type: 'array', items, minItems: 1 }] }
    }
    case 'map': {
      const entry = schemaOf(form.entry)
      if (form.names === undefined) return { type: 'object', additionalProperties: entry }
      return { type: 'object', patternProperties: { [form.names]: entry }, additionalProperties: false }
    }
    case 'object': {
      const properties = Object.entries(form.members).map(([name, member]) => [name, schemaOf(member)])
      return { type: 'object', properties: Object.fromEntries(properties), additionalProperties: false }
    }
  }
}

/** Without what is for readers only. Members that are called `description` are none of ours. */
const withoutDescriptions = (schema: unknown): unknown =>
  JSON.parse(JSON.stringify(schema, (name, value: unknown) => (name === 'description' ? undefined : value)))

test('the policy on collateral', () => {
  const withCollateral = (Collateral: unknown) => manifestWith({ Config: { Collateral } })
  const collateralOf = (document: unknown) => accept(document).manifest.config.collateral
  assert.deepEqual(collateralOf(withCollateral({ maximumAge: '720h', GracePeriod: '1d' })), {
    maximumAge: 720 * 3_600_000,
    gracePeriod: 24 * 3_600_000,
    minimumTcbEvaluationDataNumber: undefined,
  })
  assert.equal(collateralOf(manifestWith()).gracePeriod, undefined)
  assert.deepEqual(pathsOf(refuse(withCollateral({ GracePeriod: 5 }))), ['Config.Collateral.GracePeriod'])
  assert.deepEqual(pathsOf(refuse(withCollateral({ MaximumAge: '5w' }))), ['Config.Collateral.MaximumAge'])
  assert.deepEqual(pathsOf(refuse(withCollateral([]))), ['Config.Collateral'])
})

test('the JSON Schema of a manifest has the fields of packages and infrastructures, each with its form', () => {
  const { properties } = manifestSchema as { properties: Record<string, { additionalProperties: unknown }> }
  for (const [member, form] of [
    ['Packages', packageForm],
    ['Infrastructures', infrastructureForm],
  ] as const) {
    assert.deepEqual(withoutDescriptions(properties[member]?.additionalProperties), schemaOf(form))
  }
  const config = properties['Config'] as unknown as { properties: Record<string, unknown> }
  assert.deepEqual(withoutDescriptions(config.properties['Collateral']), schemaOf(collateralForm))
})
