import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { readInfrastructurePolicy } from './read-infrastructure.ts'
import { readPackagePolicy } from './read-package.ts'
import type { PolicyFinding } from './place.ts'

const id = '7a'.repeat(32)
const measured = 'a1'.repeat(48)
const signed = { SignerID: id, ProductID: 1, SecurityVersion: 2 }

const pathOf = ({ path }: PolicyFinding): string => path.join('.')
const problems = (entry: unknown): string[] => readPackagePolicy(entry).problems.map(pathOf)
const warnings = (entry: unknown): string[] => {
  const reading = readPackagePolicy(entry)
  assert.deepEqual(reading.problems, [])
  return reading.warnings.map(pathOf)
}

suite('what pins a workload', () => {
  const pinned: readonly (readonly [about: string, entry: unknown, warned?: readonly string[]])[] = [
    ['an enclave by build', { UniqueID: id }],
    ['an enclave by signer', signed],
    ['a TD by firmware and kernel', { TDX: { MRTD: measured, RTMR1: measured, RTMR2: measured } }],
    ['a TD by firmware and configuration', { TDX: { MRTD: measured, MRConfigID: measured } }],
    ['a TD by firmware alone', { TDX: { MRTD: measured } }, ['TDX']],
    ['a TD by firmware and its settings', { TDX: { MRTD: measured, RTMR0: measured } }, ['TDX']],
    ['a guest by measurement', { SNP: { Measurement: [measured] } }],
    ['a guest by its key', { SNP: { IDKeyDigest: measured, MinimumGuestSVN: 0, ImageID: '01'.repeat(16) } }],
    [
      'a guest by its key, of any family',
      { SNP: { AuthorKeyDigest: measured, MinimumGuestSVN: 3 } },
      ['SNP'],
    ],
    ['an image', { Nitro: { PCRs: { 0: measured } } }],
    ['an image by its parts', { Nitro: { PCRs: { PCR1: measured, pcr2: measured } } }],
    ['an image by its signer', { Nitro: { PCRs: { 8: measured } } }, ['Nitro']],
    ['a VM', { AzureVTPM: { PCRs: { 4: id }, SNP: { Measurement: measured } } }],
    ['a VM by what is signed', { AzureVTPM: { PCRs: { 7: id, 11: id }, TDX: { MRTD: measured } } }],
    ['a VM by keys alone', { AzureVTPM: { PCRs: { 7: id }, TDX: { MRTD: measured } } }, ['AzureVTPM']],
    [
      'a VM by its provider',
      { AzureVTPM: { PCRs: { 4: id }, SNP: { IDKeyDigest: measured, MinimumGuestSVN: 8 } } },
    ],
  ]
  for (const [about, entry, warned = []] of pinned) {
    test(`${about} is enough`, () => {
      assert.deepEqual(warnings(entry), warned)
    })
  }

  const zeros = '00'.repeat(48)
  const loose: readonly (readonly [about: string, entry: object, path: string])[] = [
    ['nothing', {}, ''],
    ['a signer without a version', { SignerID: id, ProductID: 1 }, ''],
    ['a build and a signer', { UniqueID: id, SignerID: id }, ''],
    ['a TD that says nothing', { TDX: {} }, 'TDX'],
    ['registers that other firmware could extend', { TDX: { RTMR1: measured, RTMR2: measured } }, 'TDX'],
    ['what the host chose', { TDX: { MRConfigID: measured, MROwner: measured } }, 'TDX'],
    ['no measurement of a guest', { SNP: { HostData: id, VMPL: 0 } }, 'SNP'],
    ['a key without a version', { SNP: { IDKeyDigest: measured } }, 'SNP'],
    ['a guest that nobody signed', { SNP: { IDKeyDigest: zeros, MinimumGuestSVN: 1 } }, 'SNP'],
    ['no PCR of an image', { Nitro: { PCRs: { 3: measured, 4: measured } } }, 'Nitro'],
    ['half an image', { Nitro: { PCRs: { 2: measured } } }, 'Nitro'],
    ['an image that nobody signed', { Nitro: { PCRs: { 8: [measured, zeros] } } }, 'Nitro'],
  ]
  for (const [about, entry, path] of loose) {
    test(`${about} is not enough, but for tests`, () => {
      assert.deepEqual(problems(entry), [path])
      const [kind] = Object.keys(entry)
      const [inner] = Object.values<object>({ ...entry })
      const debug = path === '' ? { ...entry, Debug: true } : { [kind ?? '']: { ...inner, Debug: true } }
      assert.deepEqual(warnings(debug), [path, path === '' ? 'Debug' : `${path}.Debug`])
    })
  }

  test('a vTPM needs known hardware, and a boot chain', () => {
    assert.deepEqual(problems({ AzureVTPM: { PCRs: { 4: id } } }), ['AzureVTPM'])
    assert.deepEqual(problems({ AzureVTPM: { PCRs: { 4: id }, SNP: {} } }), ['AzureVTPM.SNP'])
    assert.deepEqual(problems({ AzureVTPM: { PCRs: { 4: id }, TDX: { RTMR1: measured } } }), [
      'AzureVTPM.TDX',
    ])
    for (const PCRs of [undefined, {}, { 0: id, 9: id, 11: id }, { 4: '00'.repeat(32) }]) {
      assert.deepEqual(problems({ AzureVTPM: { PCRs, TDX: { MRTD: measured } } }), ['AzureVTPM'])
    }
    const debug = { PCRs: {}, SNP: { Debug: true } }
    assert.deepEqual(warnings({ AzureVTPM: debug }), ['AzureVTPM.SNP', 'AzureVTPM.SNP.Debug', 'AzureVTPM'])
    // Debug of one kind of hardware says nothing about what boots on the other.
    assert.deepEqual(problems({ AzureVTPM: { ...debug, TDX: { MRTD: measured } } }), ['AzureVTPM'])
    const both = { AzureVTPM: { ...debug, TDX: { MRTD: measured, Debug: true } } }
    assert.deepEqual(problems(both), [])
  })

  test('the report below a vTPM comes from the paravisor, unless the policy says otherwise', () => {
    const vmpls = (SNP: object) =>
      readPackagePolicy({ AzureVTPM: { PCRs: { 4: id }, SNP: { Measurement: measured, ...SNP } } }).policy
        .azureVtpm?.snp?.vmpls
    assert.deepEqual(vmpls({}), [0])
    assert.deepEqual(vmpls({ VMPL: [0, 2] }), [0, 2])
    assert.equal(readPackagePolicy({ SNP: { Measurement: measured } }).policy.snp?.vmpls, undefined)
  })
})

suite('which kinds a package names', () => {
  const kindsOf = (entry: unknown): string[] => {
    const { source, ...kinds } = readPackagePolicy(entry).policy
    assert.ok(source)
    return Object.entries(kinds).flatMap(([kind, policy]) => (policy ? [kind] : []))
  }
  const TDX = { MRTD: measured, RTMR2: measured }

  test('SGX by its own members, others by theirs', () => {
    assert.deepEqual(kindsOf(signed), ['sgx'])
    assert.deepEqual(kindsOf({ TDX }), ['tdx'])
    assert.deepEqual(kindsOf({ ...signed, tdx: TDX, Snp: { Measurement: measured } }), ['sgx', 'tdx', 'snp'])
    assert.deepEqual(kindsOf({ UniqueID: '', ProductID: null, TDX, SNP: null }), ['tdx'])
  })

  test('members of SGX without an enclave are refused beside other kinds, also harmless ones', () => {
    assert.deepEqual(problems({ TDX, Debug: true }), ['Debug'])
    assert.deepEqual(problems({ TDX, Debug: false }), ['Debug'])
    assert.deepEqual(problems({ TDX, AcceptedTCBStatuses: [], AcceptedAdvisories: [] }), [
      'AcceptedTCBStatuses',
      'AcceptedAdvisories',
    ])
    assert.match(readPackagePolicy({ TDX, Debug: true }).problems[0]?.message ?? '', /move it into "TDX"/)
    assert.deepEqual(problems({ TDX, SignerID: id, Debug: false }), [''])
    assert.deepEqual(warnings({ TDX, SignerID: id, Debug: true }), ['', 'Debug'])
  })

  test('a package with a problem accepts nothing', () => {
    assert.deepEqual(readPackagePolicy({ ...signed, TDX: { MRTD: 'zz' } }).policy, {})
  })
})

suite('forms', () => {
  test('null is called null', () => {
    const [problem] = readPackagePolicy(null).problems
    assert.equal(problem?.message, 'must be an object, but is null')
  })

  const snp = (fields: object) => ({ SNP: { Measurement: measured, ...fields } })
  const wrong: readonly (readonly [entry: unknown, paths: readonly string[]])[] = [
    [null, ['']],
    ['text', ['']],
    [[], ['']],
    [{ UniqueID: 'zz' }, ['UniqueID']],
    [{ ...signed, ProductID: 1.5 }, ['ProductID']],
    [{ ...signed, ProductID: 2 ** 53 }, ['ProductID']],
    [{ ...signed, SecurityVersion: '1' }, ['SecurityVersion']],
    [{ ...signed, AcceptedTCBStatuses: ['UpToDate', 'uptodate'] }, ['AcceptedTCBStatuses.1']],
    [{ ...signed, AcceptedTCBStatuses: 'OutOfDate' }, ['AcceptedTCBStatuses']],
    [{ ...signed, AcceptedTCBStatuses: ['TDRelaunchAdvised'] }, ['AcceptedTCBStatuses.0']],
    [{ UniqueID: id, uniqueid: id }, ['UniqueID']],
    [{ TDX: 'x' }, ['TDX']],
    [{ TDX: { MRTD: id } }, ['TDX.MRTD']],
    [{ TDX: { MRTD: [measured, `${measured}00`] } }, ['TDX.MRTD.1']],
    [{ TDX: { MRTD: [] } }, ['TDX.MRTD']],
    [{ TDX: { MRTD: [null] } }, ['TDX.MRTD.0']],
    [{ TDX: { MRTD: { a: 1 } } }, ['TDX.MRTD']],
    [{ TDX: { MRTD: measured, RTMR1: measured, MinimumTEETCBSVN: '5' } }, ['TDX.MinimumTEETCBSVN']],
    [
      { TDX: { MRTD: measured, RTMR1: measured, MinimumTEETCBSVN: '05'.repeat(17) } },
      ['TDX.MinimumTEETCBSVN'],
    ],
    [snp({ VMPL: 4 }), ['SNP.VMPL']],
    [snp({ VMPL: [0, -1] }), ['SNP.VMPL.1']],
    [snp({ Products: ['Milan', 'Naples'] }), ['SNP.Products.1']],
    [snp({ SigningKeys: 'ASK' }), ['SNP.SigningKeys']],
    [snp({ MinimumTCB: { SNP: 256 } }), ['SNP.MinimumTCB.SNP']],
    [snp({ MinimumTCB: 24 }), ['SNP.MinimumTCB']],
    [snp({ MinimumABI: '1' }), ['SNP.MinimumABI']],
    [snp({ MinimumFirmware: 'v1.55' }), ['SNP.MinimumFirmware']],
    [snp({ MinimumGuestSVN: 2 ** 32 }), ['SNP.MinimumGuestSVN']],
    [snp({ Policy: { SMT: 'yes' } }), ['SNP.Policy.SMT']],
    [snp({ ChipID: 'ee'.repeat(8) }), ['SNP.ChipID']],
    [{ Nitro: { PCRs: { 0: id } } }, ['Nitro.PCRs.0']],
    [{ Nitro: { PCRs: { 0: measured, 32: measured } } }, ['Nitro.PCRs.32']],
    [
      { Nitro: { PCRs: { 0: measured, '01': measured, HashAlgorithm: 'x' } } },
      ['Nitro.PCRs.01', 'Nitro.PCRs.HashAlgorithm'],
    ],
    [{ Nitro: { PCRs: { 0: measured, PCR0: measured } } }, ['Nitro.PCRs.PCR0']],
    [{ AzureVTPM: { PCRs: { 4: id, 24: id }, TDX: { MRTD: measured } } }, ['AzureVTPM.PCRs.24']],
    [
      { AzureVTPM: { PCRs: { 4: id }, VMConfiguration: { a: {} }, TDX: { MRTD: measured } } },
      ['AzureVTPM.VMConfiguration.a'],
    ],
  ]
  for (const [entry, paths] of wrong) {
    test(`${JSON.stringify(entry).slice(0, 60)} is refused at ${paths[0] ?? ''}`, () => {
      assert.deepEqual(problems(entry), paths)
    })
  }

  test('unknown members are warned about, with what was meant', () => {
    const { warnings: found } = readPackagePolicy({
      ...signed,
      TDX: { MRDT: 1, MRTD: measured, RTMR1: measured },
      Sealed: 1,
    })
    assert.deepEqual(
      found.map(({ path, message }) => [path.join('.'), /mean "(.*)"/.exec(message)?.[1]]),
      [
        ['TDX.MRDT', 'MRTD'],
        ['Sealed', undefined],
      ],
    )
  })

  test('integers may be bigints; hex is read as lower case', () => {
    const { policy } = readPackagePolicy({
      SignerID: id.toUpperCase(),
      ProductID: 2n ** 64n - 1n,
      SecurityVersion: 7n,
    })
    assert.deepEqual(
      [policy.sgx?.signerId, policy.sgx?.productId, policy.sgx?.securityVersion, policy.sgx?.debug],
      [id, 2n ** 64n - 1n, 7, false],
    )
  })

  test('any JSON is read, or refused, without an exception', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const entry of [
          value,
          { TDX: value, SNP: value },
          { Nitro: { PCRs: value }, AzureVTPM: value },
        ]) {
          const reading = readPackagePolicy(entry)
          if (reading.problems.length > 0) assert.deepEqual(reading.policy, {})
          readInfrastructurePolicy(entry)
        }
      }),
    )
  })
})

suite('infrastructures', () => {
  test('nonsense is warned about', () => {
    const found = (entry: unknown) => readInfrastructurePolicy(entry).warnings.map(pathOf)
    assert.deepEqual(found({ CPUSVN: 'AAEC', RootCA: 'AAAA' }), ['CPUSVN', 'RootCA'])
    assert.deepEqual(found({ SNP: { RootCA: [1] }, Nitro: { RootCA: [2] } }), ['SNP.RootCA', 'Nitro.RootCA'])
    assert.deepEqual(found({}), [''])
    assert.deepEqual(found({ CPUSVN: [], RootCA: '' }), [''])
    assert.deepEqual(found({ PCESVN: 0 }), [])
    assert.deepEqual(found({ SNP: {} }), [])
  })

  test('what is wrong is refused by its path', () => {
    const found = (entry: unknown) => readInfrastructurePolicy(entry).problems.map(pathOf)
    assert.deepEqual(found({ CPUSVN: '%', QESVN: 65536, SNP: { ChipID: 'ee' } }), [
      'CPUSVN',
      'QESVN',
      'SNP.ChipID',
    ])
    assert.deepEqual(found({ CPUSVN: [256] }), ['CPUSVN'])
  })
})
