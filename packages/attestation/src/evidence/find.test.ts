import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { RawCbor, cbor, cborHead } from '../../../tee-kit/src/encoding/cbor.ts'
import { certificateTable } from '../../../tee-kit/src/amd/certificate-table.ts'
import { buildCertificate } from '../../../../tests/support/x509-builder.ts'
import type { Extension } from '../../../tee-kit/src/encoding/x509.ts'
import { DER_TAG, derElement } from '../core/der.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { findEvidence } from './find.ts'

const data = (name: string): Buffer => readFileSync(path.join(import.meta.dirname, '../../testdata', name))
const sgx = data('intel/sgx-v3-quote.bin')
const tdx = data('intel/tdx-v4-quote.bin')
const snp = data('other/snp-report.bin')
const cca = data('other/cca-token.cbor')

/** A certificate that carries evidence (RA-TLS), DER. */
function certificate(...extensions: readonly Extension[]): Uint8Array {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const dates = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2026-01-01T00:00:00Z') }
  return buildCertificate(
    { issuer: 'RA-TLS', subject: 'RA-TLS', ...dates, publicKey, extensions },
    privateKey,
    'ecdsa-sha384',
  )
}
const octets = (bytes: Uint8Array): Uint8Array => derElement(DER_TAG.octetString, bytes)
const dice = (evidence: Uint8Array, tag = 60000): Extension => ({
  oid: '2.23.133.5.4.9',
  value: Buffer.concat([cborHead(6, tag), cbor([evidence, Buffer.from('claims')])]),
})

function assertFound(
  bytes: Uint8Array,
  kind: string,
  wrappings: readonly string[],
  evidence: Uint8Array,
): void {
  const found = findEvidence(bytes)
  assert.deepEqual([found?.kind, ...(found?.wrappings ?? [])], [kind, ...wrappings])
  assert.deepEqual(Buffer.from(found?.bytes ?? []), Buffer.from(evidence))
}

suite('evidence in certificates', () => {
  test('of each kind, as an extension or an OCTET STRING in it', () => {
    for (const [kind, evidence] of [
      ['sgx-quote', sgx],
      ['tdx-quote', tdx],
      ['snp-report', snp],
      ['cca-token', cca],
    ] as const) {
      for (const value of [evidence, octets(evidence)]) {
        const der = certificate({ oid: '1.2.840.113741.1337.6', value })
        assertFound(der, kind, ['certificate'], evidence)
        assert.ok(findEvidence(der)?.certificate)
      }
      assertFound(certificate(dice(evidence)), kind, ['certificate'], evidence)
    }
    assert.equal(findEvidence(certificate({ oid: '1.2.3.4', value: Buffer.alloc(100) })), undefined)
    assert.equal(findEvidence(certificate(dice(sgx, 60009))), undefined)
  })

  test('of two quotes the plain one counts before that of DICE, two plain ones are refused', () => {
    const plain = { oid: '1.2.840.113741.1337.6', value: sgx }
    assertFound(certificate(plain, dice(tdx)), 'sgx-quote', ['certificate'], sgx)
    const both = certificate(plain, { oid: '1.3.6.1.4.1.62397.1.1', value: octets(tdx) })
    assert.throws(() => findEvidence(both), EvidenceInvalid)
    const reports = certificate({ oid: '1.2.3.4', value: snp }, { oid: '1.2.3.5', value: snp })
    assert.throws(() => findEvidence(reports), EvidenceInvalid)
  })
})

suite('Open Enclave', () => {
  const header = (version: number, size: number): Buffer => {
    const bytes = Buffer.alloc(28)
    bytes.writeUInt32LE(version, 0)
    Buffer.from('a3a21e871b4d4014b70aa125d2fbcd8c', 'hex').copy(bytes, 4)
    bytes.writeBigUInt64LE(BigInt(size), 20)
    return bytes
  }

  test('evidence with a format id: a quote and claims, or a report', () => {
    const claims = Buffer.alloc(16, 1)
    const body = Buffer.concat([sgx, claims])
    const bytes = Buffer.concat([header(3, body.length), body])
    assertFound(bytes, 'sgx-quote', ['open-enclave-report'], body)
    assertFound(
      certificate({ oid: '1.2.840.113556.10.1.2', value: bytes }),
      'sgx-quote',
      ['certificate'],
      body,
    )
    const report = Buffer.concat([Buffer.from('0100000002000000', 'hex'), Buffer.alloc(8), sgx])
    report.writeBigUInt64LE(BigInt(sgx.length), 8)
    const wrapped = Buffer.concat([header(3, report.length), report])
    assertFound(wrapped, 'sgx-quote', ['open-enclave-report'], sgx)
    assert.throws(() => findEvidence(Buffer.concat([header(3, body.length + 1), body])), EvidenceInvalid)
    assert.equal(findEvidence(Buffer.concat([header(4, body.length), body])), undefined)
  })
})

suite('CBOR', () => {
  const pcs = new Map([['quote', sgx]])

  test('a bundle, alone and in an attestation', () => {
    assertFound(cbor(pcs), 'sgx-quote', ['cbor'], sgx)
    const attestation = new Map<string, number | RawCbor>([
      ['v', 1],
      ['quote', new RawCbor(cbor(new Map([['pcs', pcs]])))],
    ])
    assertFound(cbor(attestation), 'sgx-quote', ['cbor'], sgx)
  })
})

suite('what lies beside evidence in JSON', () => {
  const bundle = {
    format: 'taw-collateral-bundle',
    version: 1,
    documents: [
      {
        name: 'amd-vcek/Milan/00/00',
        fetchedAt: '2025-06-10T00:00:00Z',
        body: data('other/snp-vcek.der').toString('base64'),
      },
    ],
  }
  const answer = (members: object): Buffer =>
    Buffer.from(JSON.stringify({ status: 'success', data: { quote: snp.toString('base64'), ...members } }))

  test('a bundle and a certificate table are its collateral', () => {
    assertFound(answer({}), 'snp-report', ['json', 'json'], snp)
    assert.equal(findEvidence(answer({}))?.collateral.amd.endorsements.length, 0)
    const table = certificateTable([['VCEK', data('other/snp-vcek.der')]])
    for (const members of [{ collateral: bundle }, { certificateTable: table.toString('base64') }]) {
      assertFound(answer(members), 'snp-report', ['json', 'json'], snp)
      assert.equal(findEvidence(answer(members))?.collateral.amd.endorsements.length, 1)
    }
    assert.throws(() => findEvidence(answer({ collateral: { ...bundle, version: 2 } })), EvidenceInvalid)
  })
})

suite('several pieces in one file', () => {
  test('are refused, other bytes after a quote are not', () => {
    for (const second of [sgx, tdx, snp]) {
      assert.throws(() => findEvidence(Buffer.concat([sgx, second])), /several pieces/)
      assert.throws(() => findEvidence(Buffer.from(Buffer.concat([tdx, second]).toString('hex'))), /several/)
    }
    const padded = Buffer.concat([sgx, Buffer.alloc(3000)])
    assertFound(padded, 'sgx-quote', [], padded)
  })
})
