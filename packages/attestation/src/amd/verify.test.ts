import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { certificateTable } from '../../../../packages/tee-kit/src/amd/certificate-table.ts'
import {
  DEBUG_POLICY,
  FLAGS_VLEK,
  TEST_TIME,
  TEST_VALIDITY,
  TestAmd,
  makeSnpReport,
  newChip,
  p384Key,
  signSnpReport,
} from '../../../../tests/support/tee-kit-amd-nitro.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { webCrypto } from '../core/web.ts'
import { NO_AMD_COLLATERAL, amdCollateralFromFiles } from './collateral.ts'
import { parseSnpReport } from './report.ts'
import type { AmdProduct } from './tcb.ts'
import { amdVerifier } from './verify.ts'
import type { AmdVerifier } from './verify.ts'

const vendors = { Milan: new TestAmd('Milan'), Genoa: new TestAmd('Genoa'), Turin: new TestAmd('Turin') }
const anchors = Object.values(vendors).map(({ root }) => root)
const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given', anchors })
const TCB = { fmc: 1, bootloader: 4, tee: 0, snp: 24, microcode: 219 }

const milan = vendors.Milan
const chip = newChip('Milan', TCB)
const vcek = milan.vcek(chip)
const report = makeSnpReport('Milan', chip, vcek.key.privateKey, { measurement: 'ab'.repeat(48) })
const collateral = amdCollateralFromFiles([vcek.certificate])

const verify = (
  bytes: Uint8Array,
  files: readonly Uint8Array[],
  at = TEST_TIME,
  using: AmdVerifier = verifier,
) => using.verifyReport(bytes, amdCollateralFromFiles(files), at)

const refused = (check: string) => (error: unknown) => {
  assert.ok(error instanceof EvidenceInvalid, String(error))
  assert.equal(error.check, check)
  assert.deepEqual(error.checks.at(-1), {
    name: check,
    outcome: 'failed',
    expected: error.expected,
    found: error.found,
  })
  return true
}

describe('a genuine report', () => {
  for (const product of ['Milan', 'Genoa', 'Turin'] satisfies AmdProduct[]) {
    test(`of ${product} under a VCEK`, async () => {
      const own = newChip(product, TCB)
      const endorsement = vendors[product].vcek(own)
      const bytes = makeSnpReport(product, own, endorsement.key.privateKey, {
        reportData: '0f'.repeat(64),
        version: 5,
      })
      const claims = await verify(bytes, [endorsement.certificate])
      assert.equal(claims.kind, 'snp-report')
      assert.equal(claims.product, product)
      assert.equal(claims.signingKey, 'VCEK')
      assert.equal(claims.report.reportData, '0f'.repeat(64))
      assert.equal(claims.report.reportedTcb.fmc, product === 'Turin' ? 1 : undefined)
      assert.equal(claims.report.reportedTcb.snp, 24)
      assert.equal(claims.validUntil.getTime(), TEST_VALIDITY.notAfter.getTime())
      assert.equal(claims.verifiedAt.getTime(), TEST_TIME.getTime())
      const outcomes = claims.checks.map(({ name, outcome }) => `${name} ${outcome}`)
      assert.deepEqual(outcomes, [
        'report-format passed',
        'report-algorithm passed',
        'signing-key passed',
        'endorsement-certificate passed',
        'endorsement-chain passed',
        'amd-crl skipped',
        'product passed',
        'tcb passed',
        'chip-id passed',
        'report-signature passed',
      ])
    })
  }

  test('under a VLEK: no chip, a cloud provider', async () => {
    const endorsement = milan.vlek(TCB)
    const masked = { id: new Uint8Array(64), tcb: TCB }
    const bytes = makeSnpReport('Milan', masked, endorsement.key.privateKey, { flags: FLAGS_VLEK })
    const claims = await verify(bytes, [endorsement.certificate])
    assert.equal(claims.signingKey, 'VLEK')
    assert.equal(claims.cspId, 'CN=cc-test-1.example.com')
    assert.equal(claims.checks.find(({ name }) => name === 'chip-id')?.outcome, 'skipped')
  })

  test('under a VLEK where the host has masked the chip key, which is another key', async () => {
    const endorsement = milan.vlek(TCB)
    const masked = { id: new Uint8Array(64), tcb: TCB }
    const bytes = makeSnpReport('Milan', masked, endorsement.key.privateKey, { flags: FLAGS_VLEK | 0x02 })
    const { signingKey, report } = await verify(bytes, [endorsement.certificate])
    assert.deepEqual([signingKey, report.flags.maskChipKey], ['VLEK', true])
  })

  test('with a masked chip id: the signature alone says which chip it is', async () => {
    const bytes = makeSnpReport('Milan', { id: new Uint8Array(64), tcb: TCB }, vcek.key.privateKey)
    const claims = await verify(bytes, [vcek.certificate])
    assert.equal(claims.checks.find(({ name }) => name === 'chip-id')?.outcome, 'skipped')
  })

  test('of version 2, whose processor the certificate names', async () => {
    const own = newChip('Turin', TCB)
    const endorsement = vendors.Turin.vcek(own)
    const bytes = makeSnpReport('Turin', own, endorsement.key.privateKey, { version: 2 })
    const claims = await verify(bytes, [endorsement.certificate])
    assert.equal(claims.report.cpuid, undefined)
    assert.deepEqual(claims.report.reportedTcb, { raw: '01040018000000db', ...TCB })
    assert.equal(claims.checks.find(({ name }) => name === 'product')?.outcome, 'skipped')
  })

  test('of a debug guest: verification is not appraisal', async () => {
    const bytes = makeSnpReport('Milan', chip, vcek.key.privateKey, { policy: DEBUG_POLICY })
    assert.equal((await verify(bytes, [vcek.certificate])).report.policy.debug, true)
  })

  test('with WebCrypto, and at both ends of the validity', async () => {
    const web = amdVerifier({ crypto: webCrypto, revocation: 'if-given', anchors })
    for (const at of [TEST_VALIDITY.notBefore, TEST_VALIDITY.notAfter])
      await verify(report, [vcek.certificate], at, web)
  })

  test('from a certificate table, with GUIDs in either order, DER and PEM', async () => {
    const pem = Buffer.from(
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(milan.ask).toString('base64')}\n-----END CERTIFICATE-----\n`,
    )
    for (const order of ['text', 'swapped'] as const) {
      const table = certificateTable(
        [
          ['ARK', milan.ark],
          ['ASK', pem],
          ['VCEK', vcek.certificate],
        ],
        order,
      )
      await verify(report, [table])
    }
  })

  test('under an ASK that came with the evidence', async () => {
    const withoutAsk = anchors.map((root) => ({ ...root, intermediates: [] }))
    const strict = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given', anchors: withoutAsk })
    await verify(report, [vcek.certificate, milan.ask], TEST_TIME, strict)
    await assert.rejects(verify(report, [vcek.certificate], TEST_TIME, strict), refused('endorsement-chain'))
  })

  test('finds its certificate among those of other chips, TCB versions and times', async () => {
    const others = [
      milan.vcek(newChip('Milan', TCB)),
      milan.vcek({ id: chip.id, tcb: { ...TCB, microcode: 220 } }),
      milan.vcek(chip, { notAfter: new Date('2025-01-01T00:00:00Z') }),
      milan.vlek(TCB),
      vendors.Genoa.vcek(newChip('Genoa', TCB)),
    ].map(({ certificate }) => certificate)
    await verify(report, [...others, vcek.certificate])
    await verify(report, [vcek.certificate, ...others])
  })

  test('finds its VLEK among those of other regions', async () => {
    const regions = ['CN=one', 'CN=two', 'CN=three'].map((csp) => milan.vlek(TCB, csp))
    const [, , last] = regions
    assert.ok(last)
    const masked = { id: new Uint8Array(64), tcb: TCB }
    const bytes = makeSnpReport('Milan', masked, last.key.privateKey, { flags: FLAGS_VLEK })
    const claims = await verify(
      bytes,
      regions.map(({ certificate }) => certificate),
    )
    assert.equal(claims.cspId, 'CN=three')
  })

  test('does not change with the buffer that it was read from', async () => {
    const buffer = Uint8Array.from(report)
    const pending = verifier.verifyReport(buffer, collateral, TEST_TIME)
    buffer.fill(0)
    assert.equal((await pending).report.measurement, 'ab'.repeat(48))
  })
})

describe('a report is refused', () => {
  test('under a root of somebody else', async () => {
    const impostor = new TestAmd('Milan')
    const forged = impostor.vcek(chip)
    const bytes = makeSnpReport('Milan', chip, forged.key.privateKey)
    await assert.rejects(
      verify(bytes, [forged.certificate, impostor.ask, impostor.ark]),
      refused('endorsement-chain'),
    )
    const genuine = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
    await assert.rejects(verify(report, [vcek.certificate], TEST_TIME, genuine), refused('endorsement-chain'))
  })

  test('when nobody gave its certificate', async () => {
    const check = refused('endorsement-certificate')
    await assert.rejects(verifier.verifyReport(report, NO_AMD_COLLATERAL, TEST_TIME), check)
    await assert.rejects(verify(report, [milan.vlek(TCB).certificate]), check)
  })

  test('when any signed byte was altered', async () => {
    for (const offset of [0x50, 0x90, 0xc0, 0x29f]) {
      const altered = report.map((byte, place) => (place === offset ? byte ^ 1 : byte))
      await assert.rejects(verify(altered, [vcek.certificate]), refused('report-signature'))
    }
  })

  test('when its signature is of another key, in another form, or has bytes after it', async () => {
    const check = refused('report-signature')
    await assert.rejects(verify(signSnpReport(report, p384Key().privateKey), [vcek.certificate]), check)
    const high = Uint8Array.from(report)
    high[0x2a0 + 48] = 1
    await assert.rejects(verify(high, [vcek.certificate]), check)
    const tail = Uint8Array.from(report)
    tail[1183] = 1
    await assert.rejects(verify(tail, [vcek.certificate]), check)
    const zero = Uint8Array.from(report).fill(0, 0x2a0)
    await assert.rejects(verify(zero, [vcek.certificate]), check)
  })

  test('when its length, version or algorithm is another', async () => {
    const key = vcek.key.privateKey
    const files = [vcek.certificate]
    await assert.rejects(verify(report.subarray(0, 1183), files), refused('report-format'))
    await assert.rejects(verify(Uint8Array.from([...report, 0]), files), refused('report-format'))
    await assert.rejects(
      verify(makeSnpReport('Milan', chip, key, { version: 1 }), files),
      refused('report-format'),
    )
    await assert.rejects(
      verify(makeSnpReport('Milan', chip, key, { version: 6 }), files),
      refused('report-format'),
    )
    await assert.rejects(
      verify(makeSnpReport('Milan', chip, key, { signatureAlgorithm: 2 }), files),
      refused('report-algorithm'),
    )
  })

  test('when the platform did not sign it, or its key is masked', async () => {
    for (const flags of [0x1c, 0x1e, 0x08, 0x02]) {
      const bytes = makeSnpReport('Milan', chip, vcek.key.privateKey, { flags })
      await assert.rejects(verify(bytes, [vcek.certificate]), refused('signing-key'))
    }
  })

  test('when its TCB version, chip or processor is not that of the certificate', async () => {
    const key = vcek.key.privateKey
    const outdated = makeSnpReport('Milan', { ...chip, tcb: { ...TCB, snp: 25 } }, key)
    await assert.rejects(verify(outdated, [vcek.certificate]), refused('tcb'))
    const elsewhere = makeSnpReport('Milan', newChip('Milan', TCB), key)
    await assert.rejects(verify(elsewhere, [vcek.certificate]), refused('chip-id'))
    const genoa = makeSnpReport('Milan', chip, key, { cpuid: [0x19, 0x11, 0x01] })
    await assert.rejects(verify(genoa, [vcek.certificate]), refused('product'))
    const unknown = makeSnpReport('Milan', chip, key, { cpuid: [0x1a, 0x50, 0x00] })
    await assert.rejects(verify(unknown, [vcek.certificate]), refused('product'))
  })

  test('when a VCEK poses as a VLEK, or the other way round', async () => {
    const posing = milan.vcek(chip, { issuer: 'SEV-VLEK-Milan', signer: milan.asvkKey.privateKey })
    const bytes = makeSnpReport('Milan', chip, posing.key.privateKey)
    await assert.rejects(verify(bytes, [posing.certificate]), refused('endorsement-chain'))
    const vlek = milan.vlek(TCB, 'CN=x', { issuer: 'SEV-Milan', signer: milan.askKey.privateKey })
    const vlekReport = makeSnpReport('Milan', chip, vlek.key.privateKey, { flags: FLAGS_VLEK })
    await assert.rejects(verify(vlekReport, [vlek.certificate]), refused('endorsement-chain'))
  })

  test('when its certificate names another product than its issuer, or none', async () => {
    const wrong = milan.vcek(chip, { productName: 'Genoa' })
    const bytes = makeSnpReport('Milan', chip, wrong.key.privateKey)
    await assert.rejects(verify(bytes, [wrong.certificate]), refused('endorsement-chain'))
    const unknown = milan.vcek(chip, { productName: 'Milano' })
    assert.throws(() => amdCollateralFromFiles([unknown.certificate]), refused('collateral-format'))
    const bare = milan.vcek(chip, { extensions: [] })
    assert.throws(() => amdCollateralFromFiles([bare.certificate]), refused('collateral-format'))
  })

  test('when a certificate is not valid at the time', async () => {
    const check = refused('endorsement-chain')
    const [before, after] = [TEST_VALIDITY.notBefore, TEST_VALIDITY.notAfter].map((date) => date.getTime())
    await assert.rejects(verify(report, [vcek.certificate], new Date((before ?? 0) - 1000)), check)
    await assert.rejects(verify(report, [vcek.certificate], new Date((after ?? 0) + 1000)), check)
    await assert.rejects(verify(report, [vcek.certificate], new Date(Number.NaN)), check)
  })

  test('also after a good one was remembered', async () => {
    await verify(report, [vcek.certificate])
    await assert.rejects(
      verify(report, [vcek.certificate], new Date('2035-01-01T00:00:00Z')),
      refused('endorsement-chain'),
    )
  })
})

test('every single bit of a report counts', async () => {
  const position = fc.record({ offset: fc.nat({ max: report.length - 1 }), bit: fc.nat({ max: 7 }) })
  await fc.assert(
    fc.asyncProperty(position, async ({ offset, bit }) => {
      const altered = report.map((byte, place) => (place === offset ? byte ^ (1 << bit) : byte))
      await assert.rejects(verifier.verifyReport(altered, collateral, TEST_TIME), EvidenceInvalid)
    }),
    { numRuns: 300 },
  )
})

test('any bytes are read or refused as a report, a table or a certificate, never anything else', () => {
  const originals = [report, vcek.certificate, certificateTable([['VCEK', vcek.certificate]]), milan.crl([1])]
  const changed = fc
    .record({
      original: fc.constantFrom(...originals),
      at: fc.nat(),
      insert: fc.uint8Array({ maxLength: 8 }),
      drop: fc.nat(8),
    })
    .map(({ original, at, insert, drop }) => {
      const offset = at % original.length
      return Uint8Array.from([
        ...original.subarray(0, offset),
        ...insert,
        ...original.subarray(offset + drop),
      ])
    })
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      for (const read of [() => parseSnpReport(bytes), () => amdCollateralFromFiles([bytes])]) {
        try {
          read()
        } catch (error) {
          assert.ok(error instanceof EvidenceInvalid, String(error))
        }
      }
    }),
    { numRuns: 2000 },
  )
})

describe('revocation', () => {
  const strict = amdVerifier({ crypto: nodeCrypto, revocation: 'required', anchors })
  const good = milan.crl([])

  test('a current list that does not name the ASK passes, and bounds the validity', async () => {
    const nextUpdate = new Date('2025-07-01T00:00:00Z')
    const crl = milan.crl([0x10101], TEST_VALIDITY.notBefore, nextUpdate)
    const claims = await verify(report, [vcek.certificate, crl], TEST_TIME, strict)
    assert.equal(claims.validUntil.getTime(), nextUpdate.getTime())
  })

  test('a list that names the ASK refuses, even an older or later one beside a current one', async () => {
    const revoking = milan.crl([0x10001])
    const older = milan.crl([0x10001], new Date('2024-01-01T00:00:00Z'), new Date('2024-06-01T00:00:00Z'))
    await assert.rejects(verify(report, [vcek.certificate, revoking], TEST_TIME, strict), refused('amd-crl'))
    await assert.rejects(
      verify(report, [vcek.certificate, good, older], TEST_TIME, strict),
      refused('amd-crl'),
    )
    await assert.rejects(verify(report, [vcek.certificate, revoking]), refused('amd-crl'))
  })

  test('a missing, old, future or forged list is no list', async () => {
    const check = refused('amd-crl')
    const old = milan.crl([], new Date('2024-01-01T00:00:00Z'), new Date('2024-06-01T00:00:00Z'))
    const future = milan.crl([], new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z'))
    const forged = milan.crl([], TEST_VALIDITY.notBefore, TEST_VALIDITY.notAfter, milan.askKey.privateKey)
    await assert.rejects(verify(report, [vcek.certificate], TEST_TIME, strict), check)
    await assert.rejects(verify(report, [vcek.certificate, vendors.Genoa.crl([])], TEST_TIME, strict), check)
    for (const crl of [old, future, forged]) {
      await assert.rejects(verify(report, [vcek.certificate, crl], TEST_TIME, strict), check)
      // One that is there counts, also where none is demanded.
      await assert.rejects(verify(report, [vcek.certificate, crl]), check)
    }
  })

  test('lists from other times may lie beside a current one', async () => {
    const old = milan.crl([], new Date('2024-01-01T00:00:00Z'), new Date('2024-06-01T00:00:00Z'))
    const future = milan.crl([], new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z'))
    await verify(report, [vcek.certificate, old, good, future], TEST_TIME, strict)
  })
})
