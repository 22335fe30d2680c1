import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { DEBUG_POLICY, TEST_TIME, TestAmd, newChip } from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { TEST_PCRS, TestAzureVm } from '../../../../tests/support/tee-kit-azure.ts'
import type { TestVmFields } from '../../../../tests/support/tee-kit-azure.ts'
import { NO_AMD_COLLATERAL, amdCollateralFromFiles } from '../amd/collateral.ts'
import { amdVerifier } from '../amd/verify.ts'
import { toHex, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid, PolicyMismatch } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import type { Verified } from '../core/result.ts'
import { webCrypto } from '../core/web.ts'
import { NO_COLLATERAL } from '../intel/collateral.ts'
import { intelVerifier } from '../intel/verify.ts'
import { appraiseAzureVtpm } from './appraise.ts'
import type { AzureVtpmPolicy } from './appraise.ts'
import { findEvidence } from '../evidence/find.ts'
import { parseAzureVtpmEvidence } from './evidence.ts'
import type { AzureVtpmEvidence } from './evidence.ts'
import { azureVtpmVerifier } from './verify.ts'
import type { AzureVtpmClaims } from './verify.ts'

const vendor = new TestAmd('Milan')
const chip = newChip('Milan', { bootloader: 4, snp: 24, microcode: 219 })
const vcek = vendor.vcek(chip)
const vm = new TestAzureVm('Milan', chip, vcek)
const verifierWith = (crypto: typeof nodeCrypto) =>
  azureVtpmVerifier({
    crypto,
    amd: amdVerifier({ crypto, revocation: 'if-given', anchors: [vendor.root] }),
    intel: intelVerifier({ crypto }),
  })
const verifier = verifierWith(nodeCrypto)
const NOTHING = { amd: NO_AMD_COLLATERAL, intel: NO_COLLATERAL }

const verify = (evidence: AzureVtpmEvidence): Promise<Verified<AzureVtpmClaims>> =>
  verifier.verifyEvidence(evidence, NOTHING, TEST_TIME)
const refuses = (evidence: AzureVtpmEvidence, check: string) =>
  assert.rejects(verify(evidence), (error) => {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    assert.equal(error.check, check)
    return true
  })

describe('genuine evidence', () => {
  test('gives the claims of hardware and vTPM', async () => {
    const claims = await verify(vm.evidence({ nonce: toUtf8('challenge'), userData: 'ab'.repeat(64) }))
    assert.equal(claims.kind, 'azure-vtpm')
    assert.equal(claims.hardware.kind, 'snp-report')
    assert.equal(claims.nonce, toHex(toUtf8('challenge')))
    assert.equal(claims.userData, 'ab'.repeat(64))
    assert.deepEqual(claims.keyIds, ['HCLAkPub', 'HCLEkPub'])
    assert.deepEqual({ ...claims.vmConfiguration }, { 'secure-boot': true, vmUniqueId: 'A-B' })
    assert.equal(claims.pcrs['7'], '07'.repeat(32))
    assert.equal(Object.keys(claims.pcrs).length, 24)
    assert.ok(claims.checks.every(({ outcome }) => outcome !== 'failed'))
    assert.deepEqual(
      claims.checks.slice(-6).map(({ name }) => name),
      [
        'hcl-report-format',
        'runtime-data-binding',
        'runtime-data',
        'tpm-quote-format',
        'tpm-quote-signature',
        'pcr-digest',
      ],
    )
  })

  test('with each form of signature, each hash, and WebCrypto', async () => {
    for (const signature of ['bare', 'rsassa-sha256', 'rsapss-sha256', 'rsassa-sha384'] as const) {
      await verify(vm.evidence({ signature }))
      await verifierWith(webCrypto).verifyEvidence(vm.evidence({ signature }), NOTHING, TEST_TIME)
    }
    for (const hashType of [1, 2, 3] as const) await verify(vm.evidence({ hashType }))
  })

  test('of a quote about some PCRs: the others are left out, also when their values came along', async () => {
    const selection = [0, 7, 11]
    const all = await verify(vm.evidence({ selection }))
    assert.deepEqual(Object.keys(all.pcrs), ['0', '7', '11'])
    const selected = selection.map((index) => TEST_PCRS[index] ?? new Uint8Array(0))
    assert.deepEqual((await verify(vm.evidence({ selection, pcrs: selected }))).pcrs, all.pcrs)
  })

  test('whose VCEK certificate comes from elsewhere', async () => {
    const evidence = { ...vm.evidence(), vcek: undefined }
    const amd = amdCollateralFromFiles([vcek.certificate])
    await verifier.verifyEvidence(evidence, { ...NOTHING, amd }, TEST_TIME)
    await refuses(evidence, 'endorsement-certificate')
  })
})

describe('evidence is refused', () => {
  test('when the hardware vouches for other runtime data', async () => {
    await refuses(vm.evidence({ report: { reportData: '00'.repeat(64) } }), 'runtime-data-binding')
    const padded = `${toHex(new Uint8Array(await nodeCrypto.sha256(vm.runtimeData())))}${'01'.repeat(32)}`
    await refuses(vm.evidence({ report: { reportData: padded } }), 'runtime-data-binding')
    await refuses(
      { ...vm.evidence(), hclReport: vm.hclReport({ hashType: 2, report: { reportData: padded } }) },
      'runtime-data-binding',
    )
  })

  test('when the hardware report is not genuine, or of another time', async () => {
    const impostor = new TestAzureVm('Milan', chip, new TestAmd('Milan').vcek(chip))
    await refuses(impostor.evidence(), 'endorsement-chain')
    await assert.rejects(
      verifier.verifyEvidence(vm.evidence(), NOTHING, new Date('2035-01-01T00:00:00Z')),
      EvidenceInvalid,
    )
  })

  test('when another key signed the quote', async () => {
    const { privateKey: signer } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    await refuses(vm.evidence({ signer }), 'tpm-quote-signature')
    const other = new TestAzureVm('Milan', chip, vcek)
    await refuses({ ...vm.evidence(), tpmQuote: other.evidence().tpmQuote }, 'tpm-quote-signature')
  })

  test('when the signature names another algorithm or hash, or is cut short', async () => {
    const { tpmQuote, ...rest } = vm.evidence({ signature: 'rsassa-sha256' })
    const withSignature = (signature: Uint8Array) => ({ ...rest, tpmQuote: { ...tpmQuote, signature } })
    const at = (offset: number, value: number) =>
      tpmQuote.signature.map((byte, place) => (place === offset ? value : byte))
    await refuses(withSignature(at(1, 0x16)), 'tpm-quote-signature')
    await refuses(withSignature(at(1, 0x18)), 'tpm-quote-signature')
    await refuses(withSignature(at(3, 0x0c)), 'tpm-quote-signature')
    await refuses(withSignature(at(3, 0x04)), 'tpm-quote-signature')
    await refuses(withSignature(tpmQuote.signature.subarray(1)), 'tpm-quote-signature')
    await refuses(withSignature(new Uint8Array(0)), 'tpm-quote-signature')
  })

  test('when the PCRs are not the quoted ones', async () => {
    const { tpmQuote, ...rest } = vm.evidence()
    const withPcrs = (pcrs: readonly Uint8Array[]) => ({ ...rest, tpmQuote: { ...tpmQuote, pcrs } })
    await refuses(
      withPcrs(TEST_PCRS.map((pcr, index) => (index === 23 ? new Uint8Array(32) : pcr))),
      'pcr-digest',
    )
    await refuses(withPcrs(TEST_PCRS.slice(1)), 'pcr-digest')
    await refuses(withPcrs([]), 'pcr-digest')
    await refuses(withPcrs(TEST_PCRS.toReversed()), 'pcr-digest')
    // The same bytes in all, shared out differently.
    const shifted = TEST_PCRS.map((_, index) =>
      index === 0 ? new Uint8Array(31) : new Uint8Array(index === 1 ? 33 : 32),
    )
    await refuses(withPcrs(shifted), 'pcr-digest')
  })

  test('when the message is no quote', async () => {
    // TPM_ST_ATTEST_CERTIFY, and bytes that some program had signed by a key that isn't restricted.
    await refuses(vm.evidence({ attestType: 0x8017 }), 'tpm-quote-format')
    const { tpmQuote, ...rest } = vm.evidence()
    for (const message of [
      tpmQuote.message.subarray(0, -1),
      tpmQuote.message.map((byte, at) => (at === 0 ? 0 : byte)),
      new Uint8Array(0),
    ]) {
      await refuses({ ...rest, tpmQuote: { ...tpmQuote, message } }, 'tpm-quote-format')
    }
  })

  test('when the runtime data has no attestation key, or two', async () => {
    const withText = (text: string) => vm.evidence({ runtimeData: toUtf8(text) })
    const { keys } = JSON.parse(new TextDecoder().decode(vm.runtimeData())) as { keys: object[] }
    const [ak, ek] = keys
    for (const text of [
      '',
      '[]',
      '{}',
      '{"keys":1}',
      '{"keys":[]}',
      '{"keys":[1]}',
      '{"keys":[{"kid":"HCLAkPub","kty":"EC"}]}',
    ]) {
      await refuses(withText(text), 'runtime-data')
    }
    await refuses(withText(JSON.stringify({ keys: [ek] })), 'runtime-data')
    await refuses(withText(JSON.stringify({ keys: [ak, ak] })), 'runtime-data')
    await refuses(withText(`{"keys":${JSON.stringify([ak])},"keys":[]}`), 'runtime-data')
    await verify(withText(JSON.stringify({ keys: [ak] })))
  })

  test('when the HCL report is of another kind or form', async () => {
    const evidence = vm.evidence()
    const damaged = (offset: number, value: number) => ({
      ...evidence,
      hclReport: evidence.hclReport.map((byte, place) => (place === offset ? value : byte)),
    })
    await refuses(damaged(0, 0), 'hcl-report-format')
    await refuses(damaged(4, 3), 'hcl-report-format')
    await refuses(damaged(32 + 1184 + 8, 1), 'hcl-report-format')
    await refuses(damaged(32 + 1184 + 12, 0), 'hcl-report-format')
    await refuses(damaged(32 + 1184 + 18, 0xff), 'hcl-report-format')
    // TDX, without its quote.
    await refuses(damaged(32 + 1184 + 8, 4), 'td-quote')
  })
})

describe('evidence in JSON', () => {
  const { hclReport, tpmQuote, vcek: certificate } = vm.evidence({ nonce: toUtf8('n') })
  const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const json = (value: unknown): Uint8Array => toUtf8(JSON.stringify(value))
  const quote = {
    message: toHex(tpmQuote.message),
    signature: toHex(tpmQuote.signature),
    pcrs: tpmQuote.pcrs.map(toHex),
  }
  const bare = {
    version: 1,
    hcl_report: base64url(hclReport),
    tpm_quote: quote,
    vcek: base64url(certificate ?? new Uint8Array(0)),
  }
  const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate ?? []).toString('base64')}\n-----END CERTIFICATE-----\n`
  const lists = {
    report: [...hclReport],
    quote: {
      message: [...tpmQuote.message],
      signature: [...tpmQuote.signature],
      pcrs: tpmQuote.pcrs.map((pcr) => [...pcr]),
    },
    vcek: pem,
  }

  test('in all three shapes is the same evidence', async () => {
    for (const shape of [bare, lists, { platform: 'az-snp', evidence: bare }]) {
      assert.equal(findEvidence(json(shape))?.kind, 'azure-vtpm')
      const claims = await verify(parseAzureVtpmEvidence(json(shape)))
      assert.equal(claims.nonce, '6e')
    }
  })

  test('that is malformed is refused', () => {
    const bad: readonly unknown[] = [
      1,
      null,
      [],
      {},
      { ...bare, hcl_report: 1 },
      { ...bare, hcl_report: '!' },
      { ...bare, tpm_quote: undefined },
      { ...bare, tpm_quote: { ...quote, pcrs: 'x' } },
      { ...bare, tpm_quote: { ...quote, pcrs: Array.from({ length: 33 }, () => '') } },
      { ...bare, tpm_quote: { ...quote, message: [256] } },
      { ...bare, tpm_quote: { ...quote, message: [1.5] } },
      { evidence: 1 },
    ]
    for (const value of bad)
      assert.throws(() => parseAzureVtpmEvidence(json(value)), { check: 'evidence-format' })
    assert.throws(() => parseAzureVtpmEvidence(toUtf8('{')), { check: 'evidence-format' })
    assert.throws(() => parseAzureVtpmEvidence(new Uint8Array(600_000)), { check: 'evidence-format' })
  })
})

describe('appraisal', () => {
  const mismatch = (check: string) => (error: unknown) =>
    error instanceof PolicyMismatch && error.check === check
  const claimsOf = (fields: TestVmFields) => verify(vm.evidence(fields))

  test('compares hardware, PCRs, nonce, user data and configuration', async () => {
    const claims = await claimsOf({ nonce: Uint8Array.of(0xab), report: { measurement: '11'.repeat(48) } })
    const policy: AzureVtpmPolicy = {
      snp: { measurements: ['11'.repeat(48)] },
      pcrs: { '4': ['04'.repeat(32)], '11': ['00', '0B'.repeat(32)] },
      nonces: ['AB'],
      userData: ['00'.repeat(64)],
      vmConfiguration: { 'secure-boot': [true], vmUniqueId: ['A-B'] },
    }
    const names = appraiseAzureVtpm(claims, policy).map(({ name }) => name)
    assert.deepEqual(names, [
      'debug',
      'migration-agent',
      'measurement',
      'pcr4',
      'pcr11',
      'nonce',
      'user-data',
      'vm-configuration',
      'vm-configuration',
    ])
    const wrong: readonly (readonly [string, AzureVtpmPolicy])[] = [
      ['measurement', { snp: { measurements: ['22'.repeat(48)] } }],
      ['pcr4', { pcrs: { '4': ['05'.repeat(32)] } }],
      ['pcr24', { pcrs: { '24': ['00'.repeat(32)] } }],
      ['nonce', { nonces: ['ac'] }],
      ['user-data', { userData: ['01'] }],
      ['vm-configuration', { vmConfiguration: { 'secure-boot': [false] } }],
      ['vm-configuration', { vmConfiguration: { 'console-enabled': [false] } }],
      ['vm-configuration', { vmConfiguration: { constructor: [true] } }],
      ['hardware', { tdx: {} }],
    ]
    for (const [check, one] of wrong)
      assert.throws(() => appraiseAzureVtpm(claims, one), mismatch(check), check)
    appraiseAzureVtpm(claims, { snp: {}, tdx: {} })
  })

  test('refuses what the quote does not select, and debug guests', async () => {
    const some = await claimsOf({ selection: [0] })
    assert.throws(() => appraiseAzureVtpm(some, { pcrs: { '1': ['01'.repeat(32)] } }), mismatch('pcr1'))
    const debug = await claimsOf({ report: { policy: DEBUG_POLICY } })
    assert.throws(() => appraiseAzureVtpm(debug, {}), mismatch('debug'))
  })
})
