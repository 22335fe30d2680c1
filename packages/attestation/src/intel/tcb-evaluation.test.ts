import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isvLevel, level } from '../../../../tests/support/tcb-levels.ts'
import { IntelPlatform, QE_MRSIGNER, evidenceRejection } from '../../../../tests/support/tee-kit-intel.ts'
import { nodeCrypto } from '../core/node.ts'
import type { IntelCollateral } from './collateral.ts'
import { collateralFromParts } from './read-collateral.ts'
import { intelVerifier } from './verify.ts'
import type { IntelVerifier } from './verify.ts'

const AT = new Date('2025-06-15T00:00:00Z')
const platform = new IntelPlatform()
const verifierOf = (one: IntelPlatform): IntelVerifier =>
  intelVerifier({ crypto: nodeCrypto, anchors: one.anchors })
const verifier = verifierOf(platform)

async function refused(check: string, quote: Uint8Array, collateral: () => IntelCollateral): Promise<void> {
  const error = await evidenceRejection(async () => verifier.verifyQuote(quote, collateral(), AT))
  assert.equal(error.check, check, error.message)
}

const sgx = (changes: Parameters<IntelPlatform['parts']>[0] = {}): IntelCollateral =>
  collateralFromParts(platform.parts(changes))
const tdx = (changes: Parameters<IntelPlatform['parts']>[0] = {}): IntelCollateral =>
  collateralFromParts(platform.parts(changes, 'TDX'))

suite('the quoting enclave', () => {
  const collateral = sgx()
  const everything = sgx({
    qeIdentity: platform.signedQeIdentity(
      platform.qeIdentity({ attributes: '00'.repeat(16), attributesMask: '00'.repeat(16) }),
    ),
  })

  test('must be what its identity says, under the masks', async () => {
    for (const qe of [
      { mrSigner: '22'.repeat(32) },
      { isvProdId: 2 },
      { miscSelect: '01000000' },
      { attributes: '11000000000000010700000000000000' },
      { attributes: '17000000000000000700000000000000' },
    ]) {
      await refused('qe-identity', platform.sgxQuote({ qe }), () => collateral)
    }
    const masked = platform.sgxQuote({ qe: { attributes: '1500000000000000e700000000000000' } })
    assert.equal((await verifier.verifyQuote(masked, collateral, AT)).tcb.status, 'UpToDate')
  })

  test('must not be a debug enclave, whatever the identity says', async () => {
    const debug = platform.sgxQuote({ qe: { attributes: '17000000000000000700000000000000' } })
    await refused('qe-identity', debug, () => everything)
  })

  test('must bind the attestation key', async () => {
    const unbound = platform.sgxQuote({ qe: { reportData: new Uint8Array(64) } })
    await refused('attestation-key-binding', unbound, () => collateral)
  })

  test('that is old makes the platform OutOfDate; below every level it is refused; revoked is Revoked', async () => {
    const old = await verifier.verifyQuote(platform.sgxQuote({ qe: { isvSvn: 7 } }), collateral, AT)
    assert.equal(old.tcb.status, 'OutOfDate')
    assert.equal(old.tcb.platform.status, 'UpToDate')
    assert.deepEqual(old.tcb.advisories, ['INTEL-SA-00004'])
    await refused('tcb-level', platform.sgxQuote({ qe: { isvSvn: 5 } }), () => collateral)
    const identity = platform.qeIdentity({ tcbLevels: [isvLevel(8, 'Revoked')], mrsigner: QE_MRSIGNER })
    const revoked = sgx({ qeIdentity: platform.signedQeIdentity(identity) })
    assert.equal((await verifier.verifyQuote(platform.sgxQuote(), revoked, AT)).tcb.status, 'Revoked')
  })
})

suite('TCB levels', () => {
  test('the first that the platform reaches in all components counts; below all it is refused', async () => {
    for (const [options, expected] of [
      [{ components: [2], pceSvn: 13 }, 'UpToDate'],
      [{ components: [255], pceSvn: 99 }, 'UpToDate'],
      [{ components: [2], pceSvn: 12 }, 'OutOfDate'],
      [{ components: [1], pceSvn: 13 }, 'OutOfDate'],
    ] as const) {
      const one = new IntelPlatform(options)
      const { tcb } = await verifierOf(one).verifyQuote(one.sgxQuote(), collateralFromParts(one.parts()), AT)
      assert.equal(tcb.status, expected)
      assert.deepEqual(tcb.advisories, expected === 'UpToDate' ? [] : ['INTEL-SA-00001', 'INTEL-SA-00002'])
    }
    for (const options of [{ components: [0] }, { pceSvn: 10 }]) {
      const one = new IntelPlatform(options)
      const error = await evidenceRejection(() =>
        verifierOf(one).verifyQuote(one.sgxQuote(), collateralFromParts(one.parts()), AT),
      )
      assert.equal(error.check, 'tcb-level')
      assert.match(error.message, /^NoMatchingTcbLevel/)
      assert.ok(error.checks.length > 8 && error.checks.at(-1)?.outcome === 'failed')
    }
  })
})

suite('TDX modules', () => {
  const status = async (
    options: Parameters<IntelPlatform['tdxQuote']>[0],
    collateral = tdx(),
  ): Promise<string> => (await verifier.verifyQuote(platform.tdxQuote(options), collateral, AT)).tcb.status

  test('of version 0 are covered by the platform level', async () => {
    assert.equal(await status({ teeTcbSvn: '05000300' }), 'UpToDate')
    assert.equal(await status({ teeTcbSvn: '04000300' }), 'OutOfDate')
    await refused('tcb-level', platform.tdxQuote({ teeTcbSvn: '02000300' }), () => tdx())
  })

  test('of later versions have an identity and levels of their own', async () => {
    assert.equal(await status({ teeTcbSvn: '06010300' }), 'UpToDate')
    assert.equal(await status({ teeTcbSvn: '04010300' }), 'OutOfDate')
    await refused('tcb-level', platform.tdxQuote({ teeTcbSvn: '03010300' }), () => tdx())
    await refused('tdx-module', platform.tdxQuote({ teeTcbSvn: '06020300' }), () => tdx())
    await refused('tdx-module', platform.tdxQuote({ mrSignerSeam: '01' }), () => tdx())
    await refused('tdx-module', platform.tdxQuote({ teeTcbSvn: '06010300', mrSignerSeam: '01' }), () => tdx())
    await refused('tdx-module-attributes', platform.tdxQuote({ seamAttributes: '01' }), () => tdx())
  })

  test('that were updated while the TD ran advise to start it anew', async () => {
    assert.equal(await status({ teeTcbSvn: '04010300', teeTcbSvn2: '06010300' }), 'TDRelaunchAdvised')
    assert.equal(await status({ teeTcbSvn: '04010300', teeTcbSvn2: '05000300' }), 'TDRelaunchAdvised')
    assert.equal(await status({ teeTcbSvn: '04010300', teeTcbSvn2: '05010300' }), 'OutOfDate')
    assert.equal(await status({ teeTcbSvn: '04010300', teeTcbSvn2: '06010200' }), 'OutOfDate')
    assert.equal(await status({ teeTcbSvn: '06010300', teeTcbSvn2: '06010300' }), 'UpToDate')
    await refused('tdx-module', platform.tdxQuote({ teeTcbSvn: '04010300', teeTcbSvn2: '06020300' }), () =>
      tdx(),
    )
    const oldQe = { teeTcbSvn: '04010300', teeTcbSvn2: '06010300', qe: { isvSvn: 7 } }
    assert.equal(await status(oldQe), 'OutOfDate')
  })

  test('of a platform that also needs configuration say that too', async () => {
    const levels = [level([2], 13, 'ConfigurationNeeded', [], [5, 0, 3])]
    const collateral = tdx({ tcbInfo: platform.signedTcbInfo(platform.tdxTcbInfo({ tcbLevels: levels })) })
    const relaunch = { teeTcbSvn: '04010300', teeTcbSvn2: '06010300' }
    assert.equal(await status(relaunch, collateral), 'TDRelaunchAdvisedConfigurationNeeded')
    assert.equal(await status({ teeTcbSvn: '04010300' }, collateral), 'OutOfDateConfigurationNeeded')
  })
})
