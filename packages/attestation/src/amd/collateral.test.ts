import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { certificateTable } from '../../../../packages/tee-kit/src/amd/certificate-table.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { looksLikeCertificateTable, parseCertificateTable } from './certificate-table.ts'
import { amdCollateralFromFiles } from './collateral.ts'
import { findSnpReport } from './containers.ts'
import { readEvidenceCollateral } from '../evidence/collateral.ts'
import { genuineAmdRoots } from './roots.ts'

const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value)

test('a certificate table is taken apart, entries of unknown GUIDs too', () => {
  const table = certificateTable([
    ['VCEK', bytes(10, 1)],
    ['CRL', bytes(0)],
    ['ARK', bytes(7, 3)],
  ])
  table[24] = 0
  const entries = parseCertificateTable(table)
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.bytes.length]),
    [
      ['VCEK', 10],
      [undefined, 0],
      ['ARK', 7],
    ],
  )
  assert.ok(looksLikeCertificateTable(table))
  assert.ok(!looksLikeCertificateTable(bytes(100)))
})

/** Offset and length of an entry of the table, set anew. */
function withEntry(
  table: Uint8Array,
  entry: number,
  { offset, length }: { offset?: number; length?: number },
): Uint8Array {
  const copy = Uint8Array.from(table)
  const view = new DataView(copy.buffer)
  if (offset !== undefined) view.setUint32(24 * entry + 16, offset, true)
  if (length !== undefined) view.setUint32(24 * entry + 20, length, true)
  return copy
}

test('a table that points outside of itself or into its own head, or does not end, is refused', () => {
  const table = certificateTable([
    ['VCEK', bytes(10)],
    ['ASK', bytes(10)],
  ])
  const damaged = [
    withEntry(table, 0, { offset: 0xffffffff }),
    withEntry(table, 0, { length: 0xffffffff }),
    withEntry(table, 0, { offset: table.length - 9 }),
    withEntry(table, 0, { offset: 48 }),
    table.subarray(0, 48),
    new Uint8Array(0),
  ]
  for (const one of damaged) assert.throws(() => parseCertificateTable(one), EvidenceInvalid)
})

test('a table whose entries lie on top of each other, to cost many times its size, is refused', () => {
  const entries = Array.from({ length: 20 }, () => ['VCEK', bytes(0)] as const)
  let table: Uint8Array = Uint8Array.from([...certificateTable(entries), ...bytes(1000)])
  for (const entry of entries.keys()) table = withEntry(table, entry, { length: 1000 })
  assert.throws(() => parseCertificateTable(table), EvidenceInvalid)
})

test('what Azure’s hosts answer is read', () => {
  const testdata = path.join(import.meta.dirname, '../../testdata/other/snp-vcek.der')
  const vcek = new X509Certificate(readFileSync(testdata)).toString()
  const [{ intermediates } = assert.fail()] = genuineAmdRoots()
  const chain = intermediates.map(({ raw }) => new X509Certificate(raw).toString()).join('')
  const json = (members: object): Uint8Array => Buffer.from(JSON.stringify(members))
  const answer = { vcekCert: vcek, tcbm: '0300000000000873', certificateChain: chain, cacheControl: '86400' }
  const { amd } = readEvidenceCollateral(json(answer), 'the answer')
  assert.deepEqual([amd.endorsements.length, amd.intermediates.length], [1, intermediates.length])
  assert.equal(amdCollateralFromFiles([json({ vcekCert: vcek })]).endorsements.length, 1)
  for (const bad of [{ ...answer, vcekCert: 1 }, { ...answer, certificateChain: 'x' }, { vcekCert: null }]) {
    assert.throws(() => amdCollateralFromFiles([json(bad)]), { check: 'collateral-format' })
  }
})

test('a file that is empty, foreign or too large is an error', () => {
  for (const file of [new Uint8Array(0), Buffer.from('{}'), bytes(30), bytes(2 * 1024 * 1024, 0x30)]) {
    assert.throws(
      () => amdCollateralFromFiles([file]),
      (error) => error instanceof EvidenceInvalid && error.check === 'collateral-format',
    )
  }
})

test('reports are found as they are, and in JSON of configfs-tsm', () => {
  const report = new Uint8Array(1184)
  report[0] = 3
  const outblob = Buffer.from(report).toString('base64url')
  const json = (members: object): Uint8Array => Buffer.from(JSON.stringify(members))
  assert.deepEqual(findSnpReport(report), { report, certificateTable: undefined })
  assert.deepEqual(findSnpReport(json({ provider: 'sev_guest\n', outblob, auxblob: 'AQI=' })), {
    report,
    certificateTable: Uint8Array.of(1, 2),
  })
  assert.equal(findSnpReport(json({ provider: 'tdx_guest', outblob })), undefined)
  assert.equal(findSnpReport(json({ quote: 'AQI=' })), undefined)
  assert.equal(findSnpReport(bytes(1184, 0xff)), undefined)
  assert.throws(() => findSnpReport(json({ outblob: 1 })), EvidenceInvalid)
})
