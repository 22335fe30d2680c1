// `taw evidence` on all recorded evidence: verdicts, facts, scenarios, mutations, through the program as main.ts runs it;
// a few through real processes.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { runCli } from '../../packages/cli/src/cli.ts'
import { makeCliFolder } from '../support/run-cli.ts'
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

const cliMain = path.resolve(import.meta.dirname, '../../packages/cli/src/main.ts')

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
  flags: readonly string[] = [],
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
    ...flags,
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

/** Facts that need more than the document itself (data that an enclave held), or are the words of another program. */
const NOT_OURS = new Set([
  'enclave_held_data_hex',
  'protected_decoded',
  'unprotected',
  'payload_map_len_canonical',
  'cert_err',
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

const filesOf = (collateral: CollateralFiles | undefined): string[] =>
  [...new Set(Object.values<string>({ ...collateral }))].map(vectorPath)

/** Of the document itself, for kinds whose evidence has one. */
function timeIn(expected: Fields | undefined): string {
  const time = expected?.['validation_time']
  return typeof time === 'string' ? time : noTime
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
        const tcb = Object.entries(expected).filter(([name]) => name !== 'pck_cert_revoked')
        assertFacts(result.claims?.['tcb'], Object.fromEntries(tcb), `${id}.tcb`)
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
        const result = await verify(mutated, filesOf(scenarioOf(base, scenario).collateral), time)
        if (isAccepted(expected, name)) assertValid(result, kindOf(base))
        else assertInvalid(result, result.kind)
      })
    }
  }

  for (const { base, scenario, probes } of loadMutations().time) {
    for (const { when, time, expected_in_window: isValid } of probes) {
      test(`${base} at another time: ${when}`, async () => {
        const { file = '' } = quotes.find(({ id }) => id === base) ?? {}
        const result = await verify(vectorPath(file), filesOf(scenarioOf(base, scenario).collateral), time)
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
          recipe?.file === slot
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
        const isGood = isAccepted(expected, name) || ACCEPTED_FROM_FILES.has(name)
        const { verdict } = JSON.parse(stdout) as Result
        assert.deepEqual([code, verdict], isGood ? [0, 'valid'] : [1, 'invalid'])
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
          // The two policy choices are refused: docs/attestation/README.md.
          const mutated = scratchFile(ops.reduce<Uint8Array>(change, readFileSync(vectorPath(file))))
          assertInvalid(await verify(mutated, files, time), kind)
        })
      }
    }
  }
})

describe('evidence show', { skip: skipWithoutShared }, () => {
  const showJson = async (
    file: string,
  ): Promise<{ kind: string; verified: boolean; wrappings: string[]; facts: Fields }> => {
    const { code, stdout, stderr } = await taw('evidence', 'show', file, '--format', 'json')
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as { kind: string; verified: boolean; wrappings: string[]; facts: Fields }
  }
  const kindOf: Readonly<Record<string, string>> = {
    'nitro-attestation': 'nitro-document',
    'az-snp-vtpm': 'azure-vtpm',
    'az-tdx-vtpm': 'azure-vtpm',
    'arm-cca-token': 'cca-token',
  }
  const all = vectors.filter(({ kind }) =>
    /^(?:sgx-quote|tdx-quote|snp-report|nitro-att|az-|arm-)/.test(kind),
  )
  /** What a verification found out, or what stands in the tokens under numbers. */
  const afterVerification =
    /^(?:sig_ok|qe_binding_ok|qe_sig_ok|trailing|sig_len|outer_keys|.*_claims|.*_alg|.*_sig_ok|platform_nonce.*)$/

  test('every vector, as it is and as hex and base64 text, with its facts', async () => {
    assert.ok(all.length > 90)
    for (const { id, kind, file, facts = {} } of all) {
      const bytes = readFileSync(vectorPath(file))
      const shown = await showJson(vectorPath(file))
      assert.equal(shown.kind, kindOf[kind] ?? kind, id)
      assert.equal(shown.verified, false)
      const parsed = Object.fromEntries(
        Object.entries(facts).filter(([name]) => name !== 'td_quote' && !afterVerification.test(name)),
      )
      assertFacts(shown.facts, parsed, id)
      for (const [form, text] of [
        ['hex', `0x${bytes.toString('hex')}\n`],
        ['base64', bytes.toString('base64').replace(/.{76}/g, '$&\n')],
        ['base64', bytes.toString('base64url')],
      ] as const) {
        const decoded = await showJson(scratchFile(text))
        assert.equal(decoded.wrappings[0], form, id)
        assert.deepEqual(decoded.facts, shown.facts, id)
      }
    }
  })

  test('wrappers', async () => {
    for (const [name, kind, ...wrappings] of [
      ['oe-report-bad.bin', 'sgx-quote', 'open-enclave-report'],
      ['oe-cert-ec-bad.der', 'sgx-quote', 'certificate'],
      ['maa-signing-cert.pem', 'sgx-quote', 'certificate'],
      ['azure-oe-enclave-info-release.json', 'sgx-quote', 'json', 'open-enclave-report'],
      ['oasis-pcs-quote-bundle.cbor', 'sgx-quote', 'cbor'],
      ['dstack-tdx-lite-getquote.json', 'tdx-quote', 'json'],
      ['veraison-sevsnp-tsm-report.json', 'snp-report', 'json', 'certificate-table'],
      ['evervault-cert-with-nitro-doc.der', 'nitro-document', 'certificate'],
    ] as const) {
      const shown = await showJson(vectorPath(`wrappers/${name}`))
      assert.deepEqual([shown.kind, ...shown.wrappings], [kind, ...wrappings], name)
    }
  })

  test('a report with its certificate table after it verifies without more', async () => {
    const { auxblob, outblob } = readShared(
      'golden/vectors/wrappers/veraison-sevsnp-tsm-report.json',
    ) as Record<string, string>
    const both = Buffer.concat([
      Buffer.from(outblob ?? '', 'base64url'),
      Buffer.from(auxblob ?? '', 'base64url'),
    ])
    for (const file of [scratchFile(both), vectorPath('wrappers/veraison-sevsnp-tsm-report.json')]) {
      assertValid(await verify(file, [], '2025-06-01T00:00:00Z'), 'snp-report')
    }
  })

  test('says what it is not', async () => {
    for (const file of [
      'README.md',
      'wrappers/oe-endorsements.bin',
      'roots/amd-ark-milan.pem',
      'azure-vtpm/az-snp-vtpm-trustee-v1.hcl-report.bin',
    ]) {
      const { code, stdout, stderr } = await taw('evidence', 'show', vectorPath(file))
      assert.equal(code, 1)
      assert.equal(stdout, '')
      assert.match(
        stderr,
        /^Error: Showing .*nothing that is known \(check evidence-format: expected SGX quote, .*\n$/,
      )
    }
  })
})

describe('package-info of evidence', { skip: skipWithoutShared }, () => {
  test('the entry is a policy that its own evidence satisfies, and that others of its kind do not', async () => {
    const at = (id: string): { file: string; files: string[]; time: string } => {
      const {
        file = '',
        scenarios,
        signing_certs: certificates,
        expected,
      } = vectors.find((one) => one.id === id) ?? {}
      const [scenario] = scenarios ?? []
      return {
        file: vectorPath(file),
        files: [...filesOf(scenario?.collateral), ...(certificates ?? []).map((one) => vectorPath(one.file))],
        time: scenario?.validation_time ?? certificates?.[0]?.not_after ?? timeIn(expected),
      }
    }
    for (const [id, member, other] of [
      ['tdx-v4-phala', 'TDX', 'tdx-v4-dstack-report'],
      ['sgx-v3-automata-icelake', 'SignerID', 'sgx-v3-oasis-mainnet-tx'],
      ['snp-v2-milan-virtee', 'SNP', 'snp-v3-genoa-ms'],
      ['snp-v2-milan-gosev-debug', 'SNP', 'snp-v2-milan-virtee'],
      ['nitro-dstack', 'Nitro', 'nitro-nautilus-weather'],
      ['nitro-dstack-debug', 'Nitro', 'nitro-dstack'],
      ['az-snp-vtpm-trustee-v1', 'AzureVTPM', 'az-snp-vtpm-trustee-genoa'],
      ['az-tdx-vtpm-trustee-v1', 'AzureVTPM', 'az-snp-vtpm-trustee-v1'],
    ] as const) {
      const { code, stdout } = await taw('package-info', at(id).file)
      assert.equal(code, 0)
      assert.ok(member in (JSON.parse(stdout) as Fields), id)
      const accepting = JSON.parse(stdout) as Record<string, Fields>
      const sgxOrTdx =
        member === 'TDX'
          ? accepting['TDX']
          : member === 'AzureVTPM'
            ? accepting['AzureVTPM']?.['TDX']
            : member === 'SignerID'
              ? accepting
              : undefined
      if (sgxOrTdx) Object.assign(sgxOrTdx, { AcceptedTCBStatuses: ['SWHardeningNeeded', 'OutOfDate'] })
      const policy = scratchFile(JSON.stringify(accepting))
      const manifest = scratchFile(`Packages:\n  app: ${JSON.stringify(accepting)}\nMarbles: {}\n`)
      for (const flags of [
        ['--policy', policy],
        ['--policy', manifest, '--package', 'app'],
      ]) {
        const own = await verify(at(id).file, at(id).files, at(id).time, flags)
        assertValid(own, own.kind ?? '')
      }
      const foreign = await verify(at(other).file, at(other).files, at(other).time, ['--policy', policy])
      assert.equal(foreign.verdict, 'invalid', id)
      assert.notEqual(foreign.claims, null, `${other} is genuine all the same`)
      assert.equal(foreign.checks.at(-1)?.outcome, 'failed')
    }
  })

  test('an outdated platform and a debug enclave are valid without a policy, and invalid with one', async () => {
    for (const [id, check] of [
      ['sgx-v3-azure-sdk-release', 'tcb-status'],
      ['sgx-v3-azure-sdk-debug', 'debug'],
    ] as const) {
      const { file = '', scenarios = [], facts } = quotes.find((one) => one.id === id) ?? {}
      const [scenario] = scenarios
      const files = Object.values(scenario?.collateral ?? {}).map((one) => vectorPath(String(one)))
      const time = scenario?.validation_time ?? ''
      assertValid(await verify(vectorPath(file), files, time), 'sgx-quote')
      const policy = scratchFile(JSON.stringify({ UniqueID: (facts?.['body'] as Fields)['mrenclave'] }))
      const result = await verify(vectorPath(file), files, time, ['--policy', policy])
      assert.deepEqual(
        [result.verdict, result.code, result.error?.check, result.tcbStatus],
        ['invalid', 1, check, 'OutOfDate'],
      )
    }
  })
})

describe('package-info of signed enclaves', { skip: skipWithoutShared }, () => {
  interface Recorded {
    readonly sigstruct: { readonly length: number; readonly fields: Readonly<Record<string, string>> }
    readonly stdout: readonly string[]
  }
  const recorded = present ? (readShared('golden/cli/package-info.json') as Recorded) : undefined
  const rows = recorded?.stdout.slice(1) ?? []

  function sigstruct(): Buffer {
    const bytes = Buffer.alloc(recorded?.sigstruct.length ?? 0)
    bytes.set(Buffer.from(recorded?.sigstruct.fields['0'] ?? '', 'hex'), 0)
    bytes.set(Buffer.from(recorded?.sigstruct.fields['24'] ?? '', 'hex'), 24)
    for (let octet = 0; octet < 256; octet++) bytes[128 + octet] = octet
    bytes.fill(0xab, 960, 992)
    bytes.writeUInt16LE(7, 1024)
    bytes.writeUInt16LE(3, 1026)
    return bytes
  }

  function elf(section: string, content: Buffer, after: Buffer = Buffer.alloc(0)): Buffer {
    const names = Buffer.from(`\0${section}\0.shstrtab\0`)
    const header = Buffer.alloc(0x40)
    Buffer.from('7f454c460201', 'hex').copy(header)
    const table = header.length + content.length + names.length + after.length
    header.writeBigUInt64LE(BigInt(table), 0x28)
    header.writeUInt16LE(0x40, 0x3a)
    header.writeUInt16LE(3, 0x3c)
    header.writeUInt16LE(2, 0x3e)
    const entry = (name: number, offset: number, size: number): Buffer => {
      const bytes = Buffer.alloc(0x40)
      bytes.writeUInt32LE(name, 0)
      bytes.writeUInt32LE(1, 4)
      bytes.writeBigUInt64LE(BigInt(offset), 0x18)
      bytes.writeBigUInt64LE(BigInt(size), 0x20)
      return bytes
    }
    const namesAt = header.length + content.length
    return Buffer.concat([
      header,
      content,
      names,
      after,
      Buffer.alloc(0x40),
      entry(1, header.length, content.length),
      entry(section.length + 2, namesAt, names.length),
    ])
  }

  async function assertProperties(place: string, title: string): Promise<void> {
    const { code, stdout, stderr } = await taw('package-info', place)
    assert.equal(code, 0, stderr)
    assert.deepEqual(stdout.trimEnd().split('\n').slice(-5), [title, ...rows])
  }

  async function assertRefused(place: string, reason: RegExp): Promise<void> {
    const { code, stdout, stderr } = await taw('package-info', place)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, reason)
  }

  test('files: a SIGSTRUCT of any name, ELF with either section, at any offset', async () => {
    const at = (offset: number): Buffer => Buffer.concat([Buffer.alloc(offset), sigstruct(), Buffer.alloc(9)])
    const files = [
      sigstruct(),
      ...[0, 16, 64, 112, 128, 144].map((offset) => elf('.oeinfo', at(offset))),
      ...[0, 16, 64, 128, 256, 1000].map((offset) => elf('.note.sgxmeta', at(offset))),
    ]
    for (const file of files.map((bytes) => scratchFile(bytes)))
      await assertProperties(file, `PackageProperties for '${file}':`)
  })

  test('folders: Gramine and Occlum', async () => {
    const gramine = mkdtempSync(path.join(scratch, 'gramine-'))
    writeFileSync(path.join(gramine, 'app.sig'), sigstruct())
    await assertProperties(gramine, `PackageProperties for Gramine instance at '${gramine}':`)
    writeFileSync(path.join(gramine, 'other.sig'), sigstruct())
    await assertRefused(gramine, /several signatures, app\.sig, other\.sig/)
    const occlum = mkdtempSync(path.join(scratch, 'occlum-'))
    await assertRefused(occlum, /neither a Gramine signature/)
    mkdirSync(path.join(occlum, 'build/lib'), { recursive: true })
    await assertRefused(occlum, /neither a Gramine signature/)
    const library = path.join(occlum, 'build/lib/libocclum-libos.signed.so')
    writeFileSync(library, elf('.note.sgxmeta', sigstruct()))
    await assertProperties(occlum, `PackageProperties for Occlum image at '${occlum}':`)
    writeFileSync(library, elf('.note.sgxmeta', sigstruct().subarray(0, 1000)))
    await assertRefused(occlum, /SIGSTRUCT\) is cut/)
  })

  test('what is cut or has none is refused, with a reason', async () => {
    const cut = elf('.note.sgxmeta', sigstruct().subarray(0, 1500), sigstruct())
    for (const [content, reason] of [
      [sigstruct().subarray(0, 900), /it has 900 of 1808 bytes/],
      [elf('.text', sigstruct()), /no section \.oeinfo or \.note\.sgxmeta/],
      [elf('.note.sgxmeta', Buffer.alloc(2000)), /hold no signature/],
      [cut, /it has 1500 of 1808 bytes/],
      [elf('.oeinfo', sigstruct()).subarray(0, 300), /the ELF file is cut/],
      [Buffer.from('just text\n'), /neither a signed enclave/],
      [Buffer.concat([sigstruct(), sigstruct().fill(1, 960, 992)]), /2 enclaves/],
    ] as const) {
      await assertRefused(scratchFile(content), reason)
    }
    await assertRefused(path.join(scratch, 'missing'), /no such file or folder/)
  })

  test('as JSON it is an entry of Packages', async () => {
    const { stdout } = await taw('package-info', scratchFile(sigstruct()), '--format', 'json')
    const signer = rows[1]?.split(': ')[1]
    assert.deepEqual(JSON.parse(stdout), { SignerID: signer, ProductID: 7, SecurityVersion: 3 })
  })
})

describe('exit codes and streams', { skip: skipWithoutShared }, () => {
  const quote = vectorPath('tdx/tdx-v4-phala.bin')
  const at = ['--time', '2025-07-04T10:16:31Z']

  test('2 for wrong usage and what can not be read, and nothing but usage on stdout', async () => {
    for (const [stdout, args] of [
      [/^$/, ['/nonexistent', ...at]],
      [/^$/, [quote, '--collateral', '/nonexistent', ...at]],
      [/^$/, [quote, '--time', '2025-02-30T00:00:00Z']],
      [/^$/, [quote, '--time', '2025-02-03']],
      [/^$/, [quote, '--kind', 'sgx']],
      [/^$/, [quote, '--output', 'yaml']],
      [/^$/, [quote, '--policy', '/nonexistent']],
      [/^$/, [quote, '--policy', scratchFile('{"MRTD": "00"}')]],
      [/^$/, [quote, '--policy', scratchFile('{"Packages": {"app": {}}}')]],
      [/^$/, [quote, '--policy', scratchFile('{"Packages": {"app": {}}}'), '--package', 'other']],
      [/^$/, [quote, '--package', 'app']],
      [/^Usage: taw evidence verify /, []],
      [/^Usage: taw evidence verify /, [quote, '--unknown']],
    ] as const) {
      const result = await taw('evidence', 'verify', ...args)
      assert.equal(result.code, 2, `${args.join(' ')}: ${result.stdout}`)
      assert.match(result.stdout, stdout)
      assert.match(result.stderr, /^Error: /m)
    }
  })

  test('as JSON there is an object whatever is wrong, but for the command line itself', async () => {
    for (const args of [
      ['/nonexistent', ...at],
      [quote, '--collateral', '/nonexistent', ...at],
      [quote, '--time', 'now'],
      [quote, '--kind', 'sgx'],
      [quote, '--policy', scratchFile('{"MRTD": "00"}')],
    ]) {
      const { code, stdout, stderr } = await taw('evidence', 'verify', ...args, '--output', 'json')
      const result = JSON.parse(stdout) as Result
      assert.deepEqual(
        [code, result.verdict, result.kind, result.claims, result.checks, result.error?.check],
        [2, 'invalid', null, null, [], 'input'],
      )
      assert.match(stderr, /^Error: /)
      assert.ok(stderr.includes(result.error?.message ?? '?'))
    }
    for (const [file, exitCode] of [
      ['/nonexistent', 2],
      [scratchFile('nothing'), 1],
    ] as const) {
      const { code, stdout } = await taw('evidence', 'show', file, '--output', 'json')
      const shown = JSON.parse(stdout) as Fields
      assert.deepEqual(
        [code, shown['verified'], shown['kind'], shown['facts']],
        [exitCode, false, null, null],
      )
      assert.ok(String((shown['error'] as Fields)['message']).includes(file))
    }
  })

  test('a damaged file in a folder is passed over with a warning, a damaged revocation list is not', async () => {
    const folder = mkdtempSync(path.join(scratch, 'collateral-'))
    for (const [slot, file] of Object.entries(
      quotes.find(({ id }) => id === 'tdx-v4-phala')?.scenarios?.[0]?.collateral ?? {},
    )) {
      copyFileSync(vectorPath(String(file)), path.join(folder, slot))
    }
    writeFileSync(path.join(folder, 'broken.json'), '{"tcbInfo": {}, "signature": ""}')
    writeFileSync(path.join(folder, 'notes.txt'), 'unrelated')
    const args = ['evidence', 'verify', quote, '--collateral', folder, ...at]
    const { code, stderr } = await taw(...args)
    assert.equal(code, 0)
    assert.match(
      stderr,
      /because damaged: in .* "broken\.json"\n.*because no collateral: in .* "notes\.txt"\n/,
    )
    const named = await verify(quote, [folder, path.join(folder, 'broken.json')], at[1] ?? '')
    assert.deepEqual([named.code, named.kind, named.error?.check], [1, 'tdx-quote', 'collateral-format'])
    assert.match(named.error?.remedy ?? '', /as the vendor's service sent it/)
    const list = readFileSync(path.join(folder, 'pck_crl'))
    for (const [name, content] of [
      ['old.crl', Buffer.alloc(0)],
      ['list', list.subarray(0, 200)],
    ] as const) {
      writeFileSync(path.join(folder, name), content)
      const refused = await verify(quote, [folder], at[1] ?? '')
      assert.deepEqual([refused.code, refused.error?.check], [1, 'collateral-format'])
      rmSync(path.join(folder, name))
    }
  })

  test('as processes: the verdict first; standard input', async () => {
    using home = makeCliFolder()
    const [valid, invalid, other] = await Promise.all([
      home.taw(['evidence', 'verify', quote, '--collateral', vectorPath('collateral'), ...at]),
      home.taw(['evidence', 'verify', quote, ...at]),
      home.taw(['evidence', 'verify', quote, '--kind', 'snp-report']),
    ])
    assert.equal(valid.code, 0, valid.stderr)
    assert.match(valid.stdout, /^VALID: TDX quote\nTCB status: UpToDate\n/)
    assert.equal(invalid.code, 1)
    assert.match(
      invalid.stdout,
      /^INVALID: TDX quote\nFailed check: root-ca-crl\nWhy: .*\nExpected: .*\nFound: .*\nWhat to do: /,
    )
    assert.equal(other.code, 1)
    assert.match(other.stdout, /^INVALID: SEV-SNP report\nFailed check: evidence-kind\n/)
    const command = ['--disable-warning=ExperimentalWarning', cliMain, 'evidence', 'show', '-']
    const piped = spawnSync(process.execPath, command, { input: readFileSync(quote), encoding: 'utf8' })
    assert.match(piped.stdout, /^TDX quote\nNOT VERIFIED: /)
  })
})
