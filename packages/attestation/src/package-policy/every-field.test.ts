import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  TEST_TIME,
  TestAmd,
  TestNitro,
  makeSnpReport,
  newChip,
} from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { TestAzureVm } from '../../../../tests/support/tee-kit-azure.ts'
import { level } from '../../../../tests/support/tcb-levels.ts'
import { IntelPlatform } from '../../../../tests/support/tee-kit-intel.ts'
import { NO_AMD_COLLATERAL, amdCollateralFromFiles } from '../amd/collateral.ts'
import { amdVerifier } from '../amd/verify.ts'
import { azureVtpmVerifier } from '../azure/verify.ts'
import { toBase64, toHex } from '../core/encoding.ts'
import { PolicyMismatch, failureSentence } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { NO_COLLATERAL } from '../intel/collateral.ts'
import { collateralFromParts } from '../intel/read-collateral.ts'
import { intelVerifier } from '../intel/verify.ts'
import { nitroVerifier } from '../nitro/verify.ts'
import { appraiseInfrastructures } from './appraise-infrastructures.ts'
import { appraisePackage } from './appraise-package.ts'
import type { VerifiedClaims } from './appraise-package.ts'
import type { PolicyForm } from './field.ts'
import { infrastructureForm, packageForm } from './fields.ts'
import { readInfrastructurePolicy } from './read-infrastructure.ts'
import { readPackagePolicy } from './read-package.ts'

// Each field of the table, with claims that it fits and a value that they don't have.

type Json = Record<string, unknown>

const platform = new IntelPlatform()
const intel = intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors })
const AT = new Date('2025-06-15T00:00:00Z')
const advisory = 'INTEL-SA-00001'

const sgxClaims = await intel.verifyQuote(
  platform.sgxQuote(),
  collateralFromParts(
    platform.parts({
      tcbInfo: platform.signedTcbInfo(
        platform.sgxTcbInfo({ tcbLevels: [level([2], 13, 'SWHardeningNeeded', [advisory])] }),
      ),
    }),
  ),
  AT,
)
const tdxClaims = await intel.verifyQuote(
  platform.tdxQuote({ teeTcbSvn2: '05000300' }),
  collateralFromParts(platform.parts({}, 'TDX')),
  AT,
)

const vendor = new TestAmd('Milan')
const chip = newChip('Milan', { bootloader: 4, tee: 1, snp: 24, microcode: 219 })
const vcek = vendor.vcek(chip)
const vlek = vendor.vlek(chip.tcb, 'CN=cc-test-1.example.com')
const amd = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given', anchors: [vendor.root] })
const snpFields = {
  guestSvn: 7,
  vmpl: 1,
  measurement: 'a1'.repeat(48),
  hostData: 'c3'.repeat(32),
  idKeyDigest: 'd4'.repeat(48),
  authorKeyDigest: 'e5'.repeat(48),
  familyId: 'f6'.repeat(16),
  imageId: '07'.repeat(16),
  policy: 0x30137n,
  // AUTHOR_KEY_EN, and VLEK as signing key.
  flags: 0x05,
} as const
const snpClaims = await amd.verifyReport(
  makeSnpReport('Milan', chip, vlek.key.privateKey, snpFields),
  amdCollateralFromFiles([vlek.certificate]),
  TEST_TIME,
)

const aws = new TestNitro()
const nitroClaims = await nitroVerifier({ crypto: nodeCrypto, anchors: aws.anchors }).verifyDocument(
  aws.document({ moduleId: 'i-1-enc2' }),
  TEST_TIME,
)

const azureClaims = await azureVtpmVerifier({ crypto: nodeCrypto, amd, intel }).verifyEvidence(
  new TestAzureVm('Milan', chip, vcek).evidence({ report: { measurement: snpFields.measurement } }),
  { amd: NO_AMD_COLLATERAL, intel: NO_COLLATERAL },
  TEST_TIME,
)

const hex48 = (byte: string): string => byte.repeat(48)
const zeros = hex48('00')
const other = hex48('ee')

const TDX = {
  MRTD: [other, hex48('33')],
  RTMR0: zeros,
  RTMR1: zeros,
  RTMR2: zeros,
  RTMR3: hex48('44'),
  MRConfigID: zeros,
  MROwner: zeros,
  MROwnerConfig: zeros,
  MRSeam: zeros,
  MRSignerSeam: zeros,
  MRServiceTD: zeros,
  TDAttributes: '0000001000000000',
  XFAM: '00'.repeat(8),
  SeptVEDisable: true,
  MinimumTEETCBSVN: '050003',
  Debug: false,
  AcceptedTCBStatuses: ['SWHardeningNeeded'],
  AcceptedAdvisories: [advisory],
  MinimumTCBEvaluationDataNumber: 17,
}
const TCB = { Bootloader: 4, TEE: 1, SNP: 24, Microcode: 219 }
const SNP = {
  Measurement: snpFields.measurement.toUpperCase(),
  HostData: snpFields.hostData,
  IDKeyDigest: snpFields.idKeyDigest,
  AuthorKeyDigest: snpFields.authorKeyDigest,
  FamilyID: snpFields.familyId,
  ImageID: snpFields.imageId,
  ChipID: toHex(chip.id),
  CSPID: 'CN=cc-test-1.example.com',
  Products: ['Genoa', 'Milan'],
  SigningKeys: 'VLEK',
  MinimumGuestSVN: 7,
  VMPL: [0, 1],
  MinimumTCB: TCB,
  MinimumCommittedTCB: TCB,
  MinimumLaunchTCB: TCB,
  MinimumReportVersion: 3,
  MinimumABI: '1.55',
  MinimumFirmware: '1.55.29',
  Debug: false,
  Policy: {
    SMT: true,
    MigrateMA: false,
    SingleSocket: false,
    CXLAllow: false,
    MemAES256XTS: false,
    RAPLDis: false,
    CiphertextHiding: false,
    PageSwapDisable: false,
  },
  Platform: {
    SMT: true,
    TSME: false,
    ECC: true,
    RAPLDisabled: false,
    CiphertextHiding: false,
    AliasCheckComplete: true,
    IOMMUWriteSafe: false,
    TIO: false,
  },
}
const Nitro = { PCRs: { 0: hex48('01'), PCR1: hex48('02') }, ModuleID: 'i-1-enc2', Debug: false }
const AzureVTPM = {
  PCRs: { 4: '04'.repeat(32), pcr7: ['07'.repeat(32), zeros] },
  VMConfiguration: { 'secure-boot': true, vmUniqueId: ['B', 'A-B'] },
  SNP: { Measurement: snpFields.measurement },
  TDX: { MRTD: other },
}
const bySigner = {
  SignerID: '22'.repeat(32),
  ProductID: 3,
  SecurityVersion: 4,
  Debug: false,
  AcceptedTCBStatuses: ['SWHardeningNeeded'],
  AcceptedAdvisories: [advisory],
}

/** The member that is changed, to what, and the check that then fails. */
type Case = readonly [path: string, value: unknown, check: string]
interface Kind {
  readonly claims: VerifiedClaims
  /** Fits the claims. */
  readonly entry: Json
  readonly cases: readonly Case[]
}

const memberCheck = (member: 'MinimumTCB' | 'MinimumCommittedTCB' | 'MinimumLaunchTCB'): string =>
  ({
    MinimumTCB: 'minimum-tcb',
    MinimumCommittedTCB: 'minimum-committed-tcb',
    MinimumLaunchTCB: 'minimum-launch-tcb',
  })[member]

const platformCheck = (member: string): string =>
  new Map([
    ['SMT', 'platform-smt'],
    ['TSME', 'platform-tsme'],
    ['ECC', 'platform-ecc'],
    ['RAPLDisabled', 'platform-rapl-disabled'],
    ['CiphertextHiding', 'platform-ciphertext-hiding'],
    ['AliasCheckComplete', 'platform-alias-check'],
    ['IOMMUWriteSafe', 'platform-iommu-write-safe'],
    ['TIO', 'platform-tio'],
  ]).get(member) ?? 'none'

const packages: Readonly<Record<string, Kind>> = {
  'SGX by build': {
    claims: sgxClaims,
    entry: { UniqueID: '11'.repeat(32) },
    cases: [['UniqueID', '12'.repeat(32), 'unique-id']],
  },
  'SGX by signer': {
    claims: sgxClaims,
    entry: bySigner,
    cases: [
      ['SignerID', '12'.repeat(32), 'signer-id'],
      ['ProductID', 4, 'product-id'],
      ['SecurityVersion', 5, 'security-version'],
      ['Debug', true, 'debug'],
      ['AcceptedTCBStatuses', [], 'tcb-status'],
      ['AcceptedAdvisories', ['INTEL-SA-00002'], 'tcb-advisories'],
    ],
  },
  TDX: {
    claims: tdxClaims,
    entry: { TDX },
    cases: [
      ['TDX.MRTD', other, 'mr-td'],
      ['TDX.RTMR0', other, 'rtmr0'],
      ['TDX.RTMR1', [other], 'rtmr1'],
      ['TDX.RTMR2', other, 'rtmr2'],
      ['TDX.RTMR3', other, 'rtmr3'],
      ['TDX.MRConfigID', other, 'mr-config-id'],
      ['TDX.MROwner', other, 'mr-owner'],
      ['TDX.MROwnerConfig', other, 'mr-owner-config'],
      ['TDX.MRSeam', other, 'mr-seam'],
      ['TDX.MRSignerSeam', other, 'mr-signer-seam'],
      ['TDX.MRServiceTD', other, 'mr-service-td'],
      ['TDX.TDAttributes', 'ee'.repeat(8), 'td-attributes'],
      ['TDX.XFAM', 'ee'.repeat(8), 'xfam'],
      ['TDX.SeptVEDisable', false, 'sept-ve-disable'],
      ['TDX.MinimumTEETCBSVN', '050004', 'minimum-tee-tcb-svn'],
      ['TDX.Debug', true, 'debug'],
      ['TDX.MinimumTCBEvaluationDataNumber', 18, 'tcb-evaluation-data-number'],
    ],
  },
  SNP: {
    claims: snpClaims,
    entry: { SNP },
    cases: [
      ['SNP.Measurement', other, 'measurement'],
      ['SNP.HostData', 'ee'.repeat(32), 'host-data'],
      ['SNP.IDKeyDigest', other, 'id-key-digest'],
      ['SNP.AuthorKeyDigest', other, 'author-key-digest'],
      ['SNP.FamilyID', 'ee'.repeat(16), 'family-id'],
      ['SNP.ImageID', 'ee'.repeat(16), 'image-id'],
      ['SNP.ChipID', 'ee'.repeat(64), 'chip-id'],
      ['SNP.CSPID', ['CN=a', 'CN=b'], 'csp-id'],
      ['SNP.Products', 'Turin', 'product'],
      ['SNP.SigningKeys', ['VCEK'], 'signing-key'],
      ['SNP.MinimumGuestSVN', 8, 'guest-svn'],
      ['SNP.VMPL', 0, 'vmpl'],
      ...(['MinimumTCB', 'MinimumCommittedTCB', 'MinimumLaunchTCB'] as const).flatMap((member) =>
        Object.entries({ FMC: 0, Bootloader: 5, TEE: 2, SNP: 25, Microcode: 220 }).map(
          ([component, value]): Case => [`SNP.${member}.${component}`, value, memberCheck(member)],
        ),
      ),
      ['SNP.MinimumReportVersion', 4, 'report-version'],
      ['SNP.MinimumABI', '1.56', 'minimum-abi'],
      ['SNP.MinimumFirmware', '1.55.30', 'minimum-firmware'],
      ['SNP.Debug', true, 'debug'],
      ['SNP.Policy.SMT', false, 'policy-smt'],
      ['SNP.Policy.MigrateMA', true, 'migration-agent'],
      ['SNP.Policy.SingleSocket', true, 'policy-single-socket'],
      ['SNP.Policy.CXLAllow', true, 'policy-cxl-allow'],
      ['SNP.Policy.MemAES256XTS', true, 'policy-mem-aes-256-xts'],
      ['SNP.Policy.RAPLDis', true, 'policy-rapl-dis'],
      ['SNP.Policy.CiphertextHiding', true, 'policy-ciphertext-hiding'],
      ['SNP.Policy.PageSwapDisable', true, 'policy-page-swap-disable'],
      ...Object.entries(SNP.Platform).map(([member, value]): Case => [
        `SNP.Platform.${member}`,
        !value,
        platformCheck(member),
      ]),
    ],
  },
  Nitro: {
    claims: nitroClaims,
    entry: { Nitro },
    cases: [
      ['Nitro.PCRs', { 0: other }, 'pcr0'],
      ['Nitro.PCRs', { PCR0: hex48('01'), PCR8: other }, 'pcr8'],
      ['Nitro.ModuleID', ['i-1', 'i-2'], 'module-id'],
      ['Nitro.Debug', true, 'debug'],
    ],
  },
  AzureVTPM: {
    claims: azureClaims,
    entry: { AzureVTPM },
    cases: [
      ['AzureVTPM.PCRs', { PCR4: 'ee'.repeat(32) }, 'pcr4'],
      ['AzureVTPM.VMConfiguration', { 'secure-boot': false }, 'vm-configuration'],
      ['AzureVTPM.VMConfiguration', { other: 1 }, 'vm-configuration'],
      ['AzureVTPM.SNP', { Measurement: other }, 'measurement'],
      ['AzureVTPM.SNP', { Measurement: snpFields.measurement, VMPL: 1 }, 'vmpl'],
      // Without an entry for its hardware.
      ['AzureVTPM.SNP', null, 'hardware'],
    ],
  },
}

const ROOT = 'MAA=' // An empty SEQUENCE.

const infrastructures: Readonly<Record<string, Kind>> = {
  Intel: {
    claims: sgxClaims,
    entry: {
      CPUSVN: [2, ...Array<number>(15).fill(0)],
      QESVN: 0,
      PCESVN: 13,
      RootCA: toBase64(sgxClaims.rootCa),
    },
    cases: [
      ['CPUSVN', Array<number>(16).fill(200), 'cpu-svn'],
      ['QESVN', 65535, 'qe-svn'],
      ['PCESVN', 65535, 'pce-svn'],
      ['RootCA', ROOT, 'root-ca'],
    ],
  },
  SNP: {
    claims: snpClaims,
    entry: {
      SNP: {
        ChipID: SNP.ChipID,
        CSPID: SNP.CSPID,
        Products: 'Milan',
        SigningKeys: 'VLEK',
        MinimumTCB: TCB,
        MinimumCommittedTCB: TCB,
        MinimumFirmware: '1.55',
        Platform: SNP.Platform,
        RootCA: toBase64(snpClaims.rootCa),
      },
    },
    cases: [
      ['SNP.ChipID', 'ee'.repeat(64), 'chip-id'],
      ['SNP.CSPID', 'CN=a', 'csp-id'],
      ['SNP.Products', 'Turin', 'product'],
      ['SNP.SigningKeys', 'VCEK', 'signing-key'],
      ...(['MinimumTCB', 'MinimumCommittedTCB'] as const).flatMap((member) =>
        Object.entries({ FMC: 0, Bootloader: 5, TEE: 2, SNP: 25, Microcode: 220 }).map(
          ([component, value]): Case => [`SNP.${member}.${component}`, value, memberCheck(member)],
        ),
      ),
      ['SNP.MinimumFirmware', '1.56', 'minimum-firmware'],
      ...Object.entries(SNP.Platform).map(([member, value]): Case => [
        `SNP.Platform.${member}`,
        !value,
        platformCheck(member),
      ]),
      ['SNP.RootCA', ROOT, 'root-ca'],
    ],
  },
  Nitro: {
    claims: nitroClaims,
    entry: { Nitro: { PCRs: { 4: zeros }, RootCA: toBase64(nitroClaims.rootCa) } },
    cases: [
      ['Nitro.PCRs', { PCR4: other }, 'pcr4'],
      ['Nitro.RootCA', ROOT, 'root-ca'],
    ],
  },
}

/** A copy of the entry with one member changed. */
function changed(entry: Json, path: string, value: unknown): Json {
  const [member = '', ...rest] = path.split('.')
  const inner = entry[member]
  const isInner = rest.length > 0 && typeof inner === 'object' && inner !== null
  return {
    ...entry,
    [member]: isInner ? changed(Object.fromEntries(Object.entries(inner)), rest.join('.'), value) : value,
  }
}

/** Paths of all members that are no objects themselves. */
function leavesOf(form: PolicyForm, path: readonly string[] = []): string[] {
  if (form.kind !== 'object') return [path.join('.')]
  return Object.entries(form.members).flatMap(([name, member]) => leavesOf(member, [...path, name]))
}

function appraise(claims: VerifiedClaims, entry: Json): ReturnType<typeof appraisePackage> {
  const { policy, problems } = readPackagePolicy(entry)
  assert.deepEqual(problems, [])
  return appraisePackage(claims, policy)
}

function appraisePlatform(claims: VerifiedClaims, entry: Json): ReturnType<typeof appraisePackage> {
  const { policy, problems } = readInfrastructurePolicy(entry)
  assert.deepEqual(problems, [])
  return appraiseInfrastructures(claims, new Map([['here', policy]]))
}

function mismatchOf(run: () => unknown): PolicyMismatch {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof PolicyMismatch, String(error))
    return error
  }
  return assert.fail('nothing was refused')
}

suite('packages', () => {
  for (const [kind, { claims, entry, cases }] of Object.entries(packages)) {
    test(`${kind}: what fits is accepted`, () => {
      const checks = appraise(claims, entry)
      assert.ok(checks.every(({ outcome }) => outcome === 'passed'))
    })
    for (const [path, value, check] of cases) {
      test(`${kind}: another ${path} is refused`, () => {
        const error = mismatchOf(() => appraise(claims, changed(entry, path, value)))
        assert.equal(error.check, check)
        assert.ok(failureSentence(error).includes(error.expected))
        assert.ok(error.remedy)
      })
    }
  }

  test('TDX: a status or advisory that is not accepted is refused', async () => {
    const outdated = await intel.verifyQuote(
      platform.tdxQuote({ teeTcbSvn: '04000300', teeTcbSvn2: '04000300' }),
      collateralFromParts(platform.parts({}, 'TDX')),
      AT,
    )
    assert.equal(outdated.tcb.status, 'OutOfDate')
    const entry = { TDX: { MRTD: hex48('33'), RTMR3: hex48('44') } }
    assert.equal(mismatchOf(() => appraise(outdated, entry)).check, 'tcb-status')
    appraise(outdated, { TDX: { ...entry.TDX, AcceptedTCBStatuses: ['OutOfDate'] } })
  })

  test('the table above has a case for every field', () => {
    const tested = new Set(Object.values(packages).flatMap(({ cases }) => cases.map(([path]) => path)))
    // The hardware of a vTPM is described by the same fields as TDs and guests; statuses are tested by themselves.
    const elsewhere = (path: string): boolean =>
      /^AzureVTPM\.(SNP|TDX)\./.test(path) || path.startsWith('TDX.Accepted')
    assert.deepEqual(
      leavesOf(packageForm).filter((path) => !tested.has(path) && !elsewhere(path)),
      [],
    )
  })
})

suite('infrastructures', () => {
  for (const [kind, { claims, entry, cases }] of Object.entries(infrastructures)) {
    test(`${kind}: what fits is accepted`, () => {
      const checks = appraisePlatform(claims, entry)
      assert.deepEqual(checks.at(-1), { name: 'infrastructure', outcome: 'passed', found: 'here' })
    })
    for (const [path, value, check] of cases) {
      test(`${kind}: another ${path} is refused`, () => {
        const error = mismatchOf(() => appraisePlatform(claims, changed(entry, path, value)))
        assert.equal(error.check, 'infrastructure')
        assert.deepEqual(
          error.checks.map(({ name, outcome }) => [name, outcome]),
          [
            [check, 'failed'],
            ['infrastructure', 'failed'],
          ],
        )
      })
    }
  }

  test('the table above has a case for every field', () => {
    const tested = new Set(Object.values(infrastructures).flatMap(({ cases }) => cases.map(([path]) => path)))
    assert.deepEqual(
      leavesOf(infrastructureForm).filter((path) => !tested.has(path)),
      [],
    )
  })

  test('the hardware below a vTPM is what is compared', () => {
    appraisePlatform(azureClaims, { SNP: { Products: 'Milan' } })
    mismatchOf(() => appraisePlatform(azureClaims, { SNP: { Products: 'Turin' } }))
  })
})

suite('which kinds are accepted', () => {
  const all = {
    'SGX by signer': sgxClaims,
    TDX: tdxClaims,
    SNP: snpClaims,
    Nitro: nitroClaims,
    AzureVTPM: azureClaims,
  }

  test('a package of several kinds accepts each of them, by its own rules', () => {
    const entry = { ...bySigner, TDX, SNP, Nitro, AzureVTPM }
    for (const claims of Object.values(all)) appraise(claims, entry)
    assert.equal(
      mismatchOf(() => appraise(nitroClaims, { ...entry, Nitro: { PCRs: { 0: other } } })).check,
      'pcr0',
    )
    appraise(snpClaims, { ...entry, Nitro: { PCRs: { 0: other } } })
  })

  test('evidence of any other kind is refused, saying what is accepted', () => {
    for (const [kind, { entry }] of Object.entries(packages)) {
      for (const [name, claims] of Object.entries(all)) {
        if (kind.slice(0, 3) === name.slice(0, 3)) continue
        const error = mismatchOf(() => appraise(claims, entry))
        assert.equal(error.check, 'evidence-kind')
        const accepted = { SNP: 'SEV-SNP', AzureVTPM: 'Azure vTPM' }[kind] ?? kind.replace(/ by.*/, '')
        assert.equal(error.expected, `evidence of ${accepted}`)
      }
    }
    const error = mismatchOf(() => appraise(tdxClaims, { ...bySigner, SNP, Nitro }))
    assert.match(
      failureSentence(error),
      /expected evidence of SGX or SEV-SNP or Nitro, found evidence of TDX/,
    )
  })

  test('one infrastructure has to be satisfied; none demands nothing; other vendors are refused', () => {
    const read = (entry: Json) => readInfrastructurePolicy(entry).policy
    const amdOnly = read({ SNP: { Products: 'Turin' } })
    const intelOnly = read({ PCESVN: 1 })
    assert.deepEqual(appraiseInfrastructures(sgxClaims, new Map()), [])
    const checks = appraiseInfrastructures(
      tdxClaims,
      new Map([
        ['a', amdOnly],
        ['b', intelOnly],
      ]),
    )
    assert.equal(checks.at(-1)?.found, 'b')
    for (const claims of [snpClaims, nitroClaims, azureClaims]) {
      const error = mismatchOf(() =>
        appraiseInfrastructures(
          claims,
          new Map([
            ['a', amdOnly],
            ['b', intelOnly],
          ]),
        ),
      )
      assert.match(error.message, /"a": .*"b": it allows no/)
      appraiseInfrastructures(claims, new Map([['any', read({})]]))
    }
    assert.match(
      mismatchOf(() => appraiseInfrastructures(sgxClaims, new Map([['a', amdOnly]]))).message,
      /no platforms of Intel/,
    )
    mismatchOf(() => appraiseInfrastructures(sgxClaims, new Map([['wrong', read({ PCESVN: 'x' })]])))
  })
})
