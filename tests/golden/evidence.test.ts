// `taw evidence` on all recorded evidence: verdicts, facts, scenarios, mutations, through the program as main.ts runs it;
// a few through real processes.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { runCli } from '../../packages/cli/src/cli.ts'
import { readShared, sharedPath, skipWithoutShared } from '../support/shared.ts'
import { apply, isAccepted, loadMutations } from './intel-vectors.ts'
import type { CollateralFiles, Scenario } from './intel-vectors.ts'

type Fields = Readonly<Record<string, unknown>>

interface Vector {
  readonly id: string
  readonly kind: string
  readonly file: string
  readonly facts?: Fields
  readonly expected?: Fields
  readonly verdict?: { readonly signature_and_chain: string }
  readonly scenarios?: readonly Scenario[]
  readonly signing_certs?: readonly {
    readonly file: string
    readonly not_before: string
    readonly not_after: string
  }[]
  readonly platform_public_key_jwk?: Fields
  readonly test_pki_collateral?: Readonly<Record<string, string>>
}

interface OtherMutations {
  readonly base: string
  readonly base_file: string
  readonly base_length: number
  readonly certificate?: string
  readonly validation_time?: string
  readonly mutations: ReturnType<typeof loadMutations>['quotes'][number]['mutations']
}

interface Result {
  readonly verdict: string
  readonly kind: string | null
  readonly tcbStatus: string | null
  readonly advisories: readonly string[]
  readonly claims: Fields | null
  readonly checks: readonly { readonly name: string; readonly outcome: string }[]
  readonly error?: { readonly check: string; readonly message: string; readonly remedy: string }
}

const present = skipWithoutShared === false
const vectors = present ? (readShared('golden/vectors/index.json') as { vectors: Vector[] }).vectors : []
const mutations = present
  ? (readShared('golden/vectors/mutations.json') as { snp: OtherMutations[]; nitro: OtherMutations[] })
  : { snp: [], nitro: [] }
const ofKind = (...kinds: string[]): Vector[] => vectors.filter(({ kind }) => kinds.includes(kind))
const vectorPath = (file: string): string => sharedPath(`golden/vectors/${file}`)

const scratch = mkdtempSync(path.join(tmpdir(), 'taw-evidence-'))
after(() => {
  rmSync(scratch, { recursive: true })
})
let scratchFiles = 0
function scratchFile(bytes: Uint8Array | string): string {
  const file = path.join(scratch, String(scratchFiles++))
  writeFileSync(file, bytes)
  return file
}

async function taw(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' }
  const code = await runCli(args, {
    env: {},
    stdout: (data) => (output.stdout += Buffer.from(data).toString()),
    stderr: (line) => (output.stderr += `${line}\n`),
    exit: (exitCode) => assert.fail(`exit ${exitCode}`),
  })
  return { code, ...output }
}

async function verify(
  file: string,
  collateral: readonly string[],
  time: string,
): Promise<Result & { code: number }> {
  const given = collateral.flatMap((one) => ['--collateral', one])
  const { code, stdout, stderr } = await taw(
    'evidence',
    'verify',
    file,
    ...given,
    '--time',
    time,
    '--output',
    'json',
  )
  assert.notEqual(stdout, '', stderr)
  return { code, ...(JSON.parse(stdout) as Result) }
}

function assertValid(result: Result & { code: number }, kind: string): void {
  assert.equal(result.verdict, 'valid', JSON.stringify(result.error))
  assert.equal(result.code, 0)
  assert.equal(result.kind, kind)
  assert.ok(result.checks.every(({ outcome }) => outcome !== 'failed'))
  assert.equal(result.error, undefined)
}

function assertInvalid(result: Result & { code: number }, kind: string | null): void {
  assert.equal(result.verdict, 'invalid')
  assert.equal(result.code, 1)
  assert.equal(result.kind, kind)
  assert.equal(result.claims, null)
  const failed = result.checks.filter(({ outcome }) => outcome === 'failed')
  assert.equal(failed.length, 1)
  assert.equal(result.checks.at(-1), failed[0])
  assert.equal(result.error?.check, failed[0]?.name)
  assert.notEqual(result.error?.remedy ?? '', '')
}

/** Facts that need more than the document itself (data that an enclave held), or say how another library printed it. */
const NOT_OURS = new Set([
  'enclave_held_data_hex',
  'protected_decoded',
  'unprotected',
  'keys',
  'payload_map_len_canonical',
  'chain_subjects',
])

/** Every recorded fact is in the claims; times may be written differently. */
function assertFacts(found: unknown, expected: Fields, where: string): void {
  const own = found as Fields
  for (const [name, value] of Object.entries(expected)) {
    if (NOT_OURS.has(name)) continue
    // Recorded as false where the chain was not looked at.
    if (name === 'root_is_current_intel_root' && expected['root_sha256'] === undefined) continue
    const place = `${where}.${name}`
    const mine = own[name]
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      assert.ok(typeof mine === 'object' && mine !== null, place)
      assertFacts(mine, value as Fields, place)
    } else if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) {
      assert.equal(Date.parse(String(mine)), Date.parse(value), place)
    } else assert.deepEqual(mine, value, place)
  }
}

const quotes = ofKind('sgx-quote', 'tdx-quote')
const noTime = '2025-06-28T00:00:00Z'

/** Intel's own samples, which are genuine under a root of their own alone. */
const isOfTestPki = ({ test_pki_collateral: own }: Vector): boolean => own !== undefined

describe('evidence verify: Intel scenarios', { skip: skipWithoutShared }, () => {
  for (const { id, kind, file, facts = {}, scenarios = [], verdict } of quotes) {
    for (const scenario of scenarios.filter(({ collateral }) => collateral !== undefined)) {
      test(`${id}: ${scenario.name}`, async () => {
        const { expected, validation_time: time } = scenario
        const collateral = [...new Set(Object.values(scenario.collateral ?? {}))].map(vectorPath)
        const result = await verify(vectorPath(file), collateral, time)
        if (expected.result !== undefined || expected.tcb_status === 'NoMatchingTcbLevel') {
          assertInvalid(result, kind)
          if (expected.tcb_status !== undefined) assert.equal(result.tcbStatus, expected.tcb_status)
          return
        }
        assertValid(result, kind)
        assert.equal(result.tcbStatus, expected.tcb_status)
        assert.deepEqual(result.advisories, expected.advisory_ids)
        assertFacts(result.claims, facts, id)
        const { result: _result, pck_cert_revoked: _revoked, ...tcb } = expected
        assertFacts(result.claims?.['tcb'], tcb, `${id}.tcb`)
      })
    }

    if (verdict?.signature_and_chain === 'reject' || verdict?.signature_and_chain === 'incomplete') {
      test(`${id} is invalid whatever collateral is there`, async () => {
        assertInvalid(await verify(vectorPath(file), [vectorPath('collateral')], noTime), kind)
      })
    }
  }

  test('the whole folder of vectors as collateral gives the verdicts of its genuine parts', async () => {
    for (const { id, kind, file, scenarios = [] } of quotes.filter((one) => !isOfTestPki(one))) {
      // With all documents at hand the strictest counts, so a status may be another than that of a scenario.
      const [scenario] = scenarios
      if (scenario?.expected.tcb_status === undefined) continue
      const { tcb_status: status } = scenario.expected
      const result = await verify(vectorPath(file), [vectorPath('')], scenario.validation_time)
      if (status === 'NoMatchingTcbLevel') assertInvalid(result, kind)
      else assertValid(result, kind)
      assert.ok(result.tcbStatus, id)
    }
  })
})

describe('evidence verify: other kinds', { skip: skipWithoutShared }, () => {
  for (const { id, file, facts = {}, expected = {}, signing_certs: certificates = [] } of ofKind(
    'snp-report',
  )) {
    test(id, async () => {
      const time = certificates[0]?.not_after ?? noTime
      const files = certificates.map((one) => vectorPath(one.file))
      const result = await verify(vectorPath(file), files, time)
      if (expected['cryptographically_valid'] !== true) {
        assertInvalid(result, 'snp-report')
        return
      }
      assertValid(result, 'snp-report')
      assertFacts(result.claims, facts, id)
      // All certificates and lists of all chips in one folder, some lists out of date at that time.
      assertValid(await verify(vectorPath(file), [vectorPath('')], time), 'snp-report')
    })
  }

  for (const { id, file, facts = {}, expected = {} } of ofKind('nitro-attestation')) {
    test(id, async () => {
      const result = await verify(vectorPath(file), [], String(expected['validation_time']))
      if (expected['cryptographically_valid_under_aws_root'] !== true) {
        assertInvalid(result, 'nitro-document')
        return
      }
      assertValid(result, 'nitro-document')
      assertFacts(result.claims, facts, id)
    })
  }

  for (const { id, file, facts = {}, expected = {}, scenarios } of ofKind('az-snp-vtpm', 'az-tdx-vtpm')) {
    test(id, async () => {
      const [scenario] = scenarios ?? []
      const files = Object.values(scenario?.collateral ?? {}).map(vectorPath)
      const result = await verify(
        vectorPath(file),
        files,
        scenario?.validation_time ?? '2025-06-01T00:00:00Z',
      )
      assertValid(result, 'azure-vtpm')
      assert.equal(result.tcbStatus, scenario?.expected.tcb_status ?? null)
      assert.deepEqual(result.advisories, scenario?.expected.advisory_ids ?? [])
      assertFacts(result.claims, facts, id)
      assert.equal((result.claims?.['tpm_quote'] as Fields)['nonce'], expected['nonce_hex'])
    })
  }

  for (const { id, file, facts = {}, platform_public_key_jwk: jwk } of ofKind('arm-cca-token')) {
    test(id, async () => {
      for (const key of [jwk, { keys: [jwk] }]) {
        const result = await verify(vectorPath(file), [scratchFile(JSON.stringify(key))], noTime)
        assertValid(result, 'cca-token')
        assertFacts(result.claims, facts, id)
      }
      const others = ofKind('arm-cca-token').filter((one) => one.id !== id)
      const otherKeys = others.map((one) => scratchFile(JSON.stringify(one.platform_public_key_jwk)))
      const result = await verify(vectorPath(file), otherKeys, noTime)
      assertInvalid(result, 'cca-token')
      assert.equal(result.error?.check, 'platform-signature')
      assert.equal((await verify(vectorPath(file), [], noTime)).error?.check, 'platform-key')
    })
  }
})

/** Some recipes for documents of other kinds append bytes. */
const change: typeof apply = (bytes, operation) =>
  operation.op === 'append'
    ? Buffer.concat([bytes, Buffer.from(operation.hex ?? '', 'hex')])
    : apply(bytes, operation)

/**
 * A heap of files can't tell which chain came with which document, so the genuine signer, which is there for the QE
 * identity, counts for the TCB info too (docs/attestation/intel.md).
 */
const ACCEPTED_FROM_FILES = new Set(['tcb-chain-leaf-is-platform-ca'])

describe('evidence verify: mutations', { skip: skipWithoutShared }, () => {
  const collateralOf = (files: CollateralFiles | undefined): string[] =>
    [...new Set(Object.values(files ?? {}))].map((file) => vectorPath(String(file)))
  const scenarioOf = (base: string, name: string): Scenario => {
    const found = quotes.find(({ id }) => id === base)?.scenarios?.find((one) => one.name === name)
    return found ?? assert.fail(`no scenario ${name} of ${base}`)
  }
  const kindOf = (base: string): string => vectors.find(({ id }) => id === base)?.kind ?? ''

  for (const {
    base,
    base_file: file,
    base_length: length,
    scenario,
    validation_time: time,
    mutations: list,
  } of loadMutations().quotes) {
    const original = readFileSync(vectorPath(file)).subarray(0, length)
    for (const { name, ops, expected } of list) {
      test(`${base}: ${name}`, async () => {
        const mutated = scratchFile(ops.reduce<Uint8Array>(apply, original))
        const result = await verify(mutated, collateralOf(scenarioOf(base, scenario).collateral), time)
        if (isAccepted(expected, name)) assertValid(result, kindOf(base))
        else assertInvalid(result, result.kind)
      })
    }
  }

  for (const { base, scenario, probes } of loadMutations().time) {
    for (const { when, time, expected_in_window: isValid } of probes) {
      test(`${base} at another time: ${when}`, async () => {
        const { file = '' } = quotes.find(({ id }) => id === base) ?? {}
        const result = await verify(
          vectorPath(file),
          collateralOf(scenarioOf(base, scenario).collateral),
          time,
        )
        if (isValid) assertValid(result, kindOf(base))
        else assertInvalid(result, kindOf(base))
      })
    }
  }

  for (const { base, validation_time: time, collateral, probes } of loadMutations().collateral) {
    for (const { name, recipe, expected } of probes) {
      test(`${base} with other collateral: ${name}`, async () => {
        const { file = '' } = quotes.find(({ id }) => id === base) ?? {}
        const files = Object.entries(collateral).map(([slot, original]) =>
          recipe && slot === recipe.file
            ? scratchFile(apply(readFileSync(vectorPath(String(original))), recipe))
            : vectorPath(String(original)),
        )
        const given = files.flatMap((one) => ['--collateral', one])
        const { code, stdout } = await taw(
          'evidence',
          'verify',
          vectorPath(file),
          ...given,
          '--time',
          time,
          '--output',
          'json',
        )
        // 2: the file can't be read at all.
        if (isAccepted(expected, name) || ACCEPTED_FROM_FILES.has(name)) assert.equal(code, 0)
        else
          assert.ok(
            code === 2 ? stdout === '' : (JSON.parse(stdout) as Result).verdict === 'invalid',
            `exit ${code}`,
          )
      })
    }
  }

  for (const [kind, list] of [
    ['snp-report', mutations.snp],
    ['nitro-document', mutations.nitro],
  ] as const) {
    for (const {
      base,
      base_file: file,
      certificate,
      validation_time: time = '2027-01-01T00:00:00Z',
      mutations: changes,
    } of list) {
      for (const { name, ops } of changes) {
        test(`${base}: ${name}`, async () => {
          const files = certificate === undefined ? [] : [vectorPath(certificate)]
          assertValid(await verify(vectorPath(file), files, time), kind)
          // The two policy choices are refused: docs/attestation/choices.md.
          const mutated = scratchFile(ops.reduce<Uint8Array>(change, readFileSync(vectorPath(file))))
          assertInvalid(await verify(mutated, files, time), kind)
        })
      }
    }
  }
})
