import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, suite, test } from 'node:test'
import { collateralFromParts, intelVerifier, readPackagePolicy } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { level } from '../../../../tests/support/tcb-levels.ts'
import { IntelPlatform } from '../../../../tests/support/tee-kit-intel.ts'
import { runCli } from '../cli.ts'
import { judge } from '../evidence/judge.ts'
import type { VerificationResult } from '../evidence/result.ts'

const data = (name: string): string =>
  path.resolve(import.meta.dirname, '../../../attestation/testdata', name)

const scratch = mkdtempSync(path.join(tmpdir(), 'taw-evidence-verify-'))
after(() => {
  rmSync(scratch, { recursive: true })
})
function scratchFile(name: string, content: string | Uint8Array): string {
  const file = path.join(scratch, name)
  writeFileSync(file, content)
  return file
}

async function taw(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' }
  const code = await runCli(args, {
    env: {},
    stdout: (text) => (output.stdout += Buffer.from(text).toString()),
    stderr: (line) => (output.stderr += `${line}\n`),
    exit: (exitCode) => assert.fail(`exit ${exitCode}`),
  })
  return { code, ...output }
}

async function verify(...args: string[]): Promise<{ code: number; result: VerificationResult }> {
  const { code, stdout, stderr } = await taw('evidence', 'verify', ...args, '--output', 'json')
  assert.notEqual(stdout, '', stderr)
  return { code, result: JSON.parse(stdout) as VerificationResult }
}

const CASES = [
  ['sgx-quote', 'intel/sgx-v3-quote.bin', '2025-08-30T05:09:06Z', 'SWHardeningNeeded', ['INTEL-SA-00615']],
  ['tdx-quote', 'intel/tdx-v4-quote.bin', '2025-07-04T10:16:31.5+00:00', 'UpToDate', []],
  ['tdx-quote', 'intel/tdx-v5-quote.bin', '2026-02-25T01:45:50+01:00', 'UpToDate', []],
  ['snp-report', 'other/snp-report.bin', '2025-06-01T00:00:00Z', null, []],
  ['nitro-document', 'other/nitro-document.cbor', '2025-12-25T16:04:19Z', null, []],
  ['azure-vtpm', 'other/azure-snp-vtpm.json', '2025-06-01T00:00:00Z', null, []],
  ['cca-token', 'other/cca-token.cbor', '2025-06-01T00:00:00Z', null, []],
] as const

suite('taw evidence verify', () => {
  for (const [kind, file, time, status, advisories] of CASES) {
    test(`${file}: valid with everything in one folder, and with the entry that package-info prints`, async () => {
      const { code, result } = await verify(data(file), '--collateral', data('.'), '--time', time)
      assert.equal(code, 0, JSON.stringify(result.error))
      assert.deepEqual(Object.keys(result), [
        'verdict',
        'kind',
        'tcbStatus',
        'advisories',
        'claims',
        'checks',
      ])
      assert.deepEqual(
        [result.verdict, result.kind, result.tcbStatus, result.advisories],
        ['valid', kind, status, advisories],
      )
      for (const check of result.checks) {
        assert.deepEqual(Object.keys(check), ['name', 'outcome', 'expected', 'found'])
        assert.notEqual(check.outcome, 'failed')
      }
      const entry = await taw('package-info', data(file))
      assert.equal(entry.code, kind === 'cca-token' ? 1 : 0)
      if (entry.code !== 0) return
      const policy = scratchFile('policy.json', entry.stdout)
      const judged = await verify(data(file), '--collateral', data('.'), '--time', time, '--policy', policy)
      assert.equal(judged.code, 0, JSON.stringify(judged.result.error))
      assert.ok(judged.result.checks.length > result.checks.length)
    })

    test(`${file}: invalid when a byte of it is another`, async () => {
      const bytes = readFileSync(data(file))
      // A byte in the signed part of each kind; of JSON a digit of the TPM quote.
      const at = kind === 'azure-vtpm' ? bytes.indexOf('"message"') + 60 : 400
      bytes[at] = (bytes[at] ?? 0) ^ 1
      const { code, result } = await verify(
        scratchFile('damaged', bytes),
        '--collateral',
        data('.'),
        '--time',
        time,
      )
      assert.deepEqual([code, result.verdict, result.kind, result.claims], [1, 'invalid', kind, null])
      assert.equal(result.checks.at(-1)?.outcome, 'failed')
      assert.equal(result.checks.at(-1)?.name, result.error?.check)
      assert.deepEqual(Object.keys(result.error ?? {}), ['check', 'message', 'expected', 'found', 'remedy'])
    })
  }

  test('what a policy refuses is genuine all the same', async () => {
    const policy = scratchFile('other.yaml', `TDX:\n  MRTD: "${'ab'.repeat(48)}"\n`)
    const [, [, file, time]] = CASES
    const { code, result } = await verify(
      data(file),
      '--collateral',
      data('intel'),
      '--time',
      time,
      '--policy',
      policy,
    )
    assert.deepEqual([code, result.verdict, result.tcbStatus], [1, 'invalid', 'UpToDate'])
    assert.notEqual(result.claims, null)
    assert.deepEqual(result.checks.at(-1)?.name, result.error?.check)
  })
})

suite('issuer chains', () => {
  const [, [, file, time]] = CASES
  const slots = JSON.parse(readFileSync(data('intel/tdx-v4-collateral.json'), 'utf8')) as Record<
    string,
    string
  >
  const slot = (name: string): string => slots[name] ?? assert.fail(name)
  const document = (inner: string, name: string): string =>
    scratchFile(`${name}.json`, `{"${inner}":${slot(name)},"signature":"${slot(`${name}_signature`)}"}`)
  const documents = [
    document('tcbInfo', 'tcb_info'),
    document('enclaveIdentity', 'qe_identity'),
    scratchFile('pck-crl.hex', slot('pck_crl')),
    scratchFile('root-crl.hex', slot('root_ca_crl')),
  ]
  /** The PCK CA and the root: genuine, and no signers of documents. */
  const wrong = scratchFile('pck-ca.pem', slot('pck_crl_issuer_chain'))
  const right = scratchFile('signer.pem', slot('tcb_info_issuer_chain'))
  const heap = (...files: readonly string[]) =>
    verify(data(file), ...files.flatMap((one) => ['--collateral', one]), '--time', time)

  test('of a heap of files, one that signed the documents is enough, and nothing less', async () => {
    assert.equal((await heap(...documents, right)).code, 0)
    assert.equal((await heap(...documents, wrong, right)).code, 0, 'the right one is there')
    for (const files of [documents, [...documents, wrong]]) {
      const { code, result } = await heap(...files)
      assert.deepEqual([code, result.error?.check, result.claims], [1, 'tcb-info', null])
      assert.match(result.error?.message ?? '', /issuer chain of the TCB info is missing/)
    }
  })

  test('a chain that came with its document is the only one for it', async () => {
    const bundle = (member: string): string =>
      scratchFile('slots.json', JSON.stringify({ ...slots, [member]: slot('pck_crl_issuer_chain') }))
    for (const [member, check] of [
      ['tcb_info_issuer_chain', 'tcb-info'],
      ['qe_identity_issuer_chain', 'qe-identity-document'],
    ] as const) {
      const { code, result } = await heap(bundle(member), right)
      assert.deepEqual([code, result.error?.check], [1, check])
      assert.match(result.error?.message ?? '', /which is not there for that/)
    }
    // The same documents beside it, without a chain, are a heap again.
    assert.equal((await heap(bundle('tcb_info_issuer_chain'), ...documents, right)).code, 0)
  })
})

suite('a TCB level', () => {
  const at = new Date('2025-06-15T00:00:00Z')

  for (const [status, verdict] of [
    ['Revoked', 'invalid'],
    ['OutOfDate', 'valid'],
  ] as const) {
    test(`that is ${status} makes a quote ${verdict} where no policy says more`, async () => {
      const platform = new IntelPlatform()
      const tcbInfo = platform.signedTcbInfo(platform.sgxTcbInfo({ tcbLevels: [level([1], 1, status)] }))
      const verifier = intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors })
      const quote = platform.sgxQuote()
      const claims = await verifier.verifyQuote(quote, collateralFromParts(platform.parts({ tcbInfo })), at)
      const result = judge({ claims, json: {} }, undefined)
      assert.deepEqual([result.verdict, result.tcbStatus], [verdict, status])
      const entry = { UniqueID: '11'.repeat(32), AcceptedTCBStatuses: ['OutOfDate', 'Revoked'] }
      const { policy, problems } = readPackagePolicy(entry)
      assert.deepEqual(problems, [])
      assert.equal(judge({ claims, json: {} }, policy).verdict, verdict)
    })
  }
})
