import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { toBase64, toHex, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import type { EvidenceKind } from '../core/result.ts'
import { mergeEvidenceCollateral, readEvidenceCollateral } from './collateral.ts'
import type { EvidenceCollateral } from './collateral.ts'
import { evidenceClaimsJson, evidenceFacts } from './facts.ts'
import { bareEvidence, findEvidence } from './find.ts'
import type { FoundEvidence } from './find.ts'
import { guessKind } from './recognize.ts'
import { evidenceVerifier } from './verify.ts'

const file = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(path.join(import.meta.dirname, '../../testdata', name)))

interface Case {
  readonly kind: EvidenceKind
  readonly evidence: string
  readonly collateral: readonly string[]
  readonly at: string
}

const CASES: readonly Case[] = [
  {
    kind: 'sgx-quote',
    evidence: 'intel/sgx-v3-quote.bin',
    collateral: ['intel/sgx-v3-collateral.json'],
    at: '2025-08-30T05:09:06Z',
  },
  {
    kind: 'tdx-quote',
    evidence: 'intel/tdx-v4-quote.bin',
    collateral: ['intel/tdx-v4-collateral.json'],
    at: '2025-07-04T10:16:31Z',
  },
  {
    kind: 'tdx-quote',
    evidence: 'intel/tdx-v5-quote.bin',
    collateral: ['intel/tdx-v5-collateral.json'],
    at: '2026-02-25T00:45:50Z',
  },
  {
    kind: 'snp-report',
    evidence: 'other/snp-report.bin',
    collateral: ['other/snp-vcek.der'],
    at: '2025-06-01T00:00:00Z',
  },
  {
    kind: 'nitro-document',
    evidence: 'other/nitro-document.cbor',
    collateral: [],
    at: '2025-12-25T16:04:19Z',
  },
  {
    kind: 'azure-vtpm',
    evidence: 'other/azure-snp-vtpm.json',
    collateral: [],
    at: '2025-06-01T00:00:00Z',
  },
  {
    kind: 'cca-token',
    evidence: 'other/cca-token.cbor',
    collateral: ['other/cca-platform-key.json'],
    at: '2025-06-01T00:00:00Z',
  },
]

const collateralOf = (names: readonly string[]): EvidenceCollateral =>
  mergeEvidenceCollateral(...names.map((name) => readEvidenceCollateral(file(name), name)))
/** Everything in one heap, as a folder has it. */
const heap = collateralOf(CASES.flatMap(({ collateral }) => collateral))
const verifier = evidenceVerifier({ crypto: nodeCrypto, revocation: 'if-given' })

function found(bytes: Uint8Array): FoundEvidence {
  const evidence = findEvidence(bytes)
  assert.ok(evidence)
  return evidence
}

suite('evidence of any kind', () => {
  for (const { kind, evidence, collateral, at } of CASES) {
    test(`${evidence} is found, read and verified`, async () => {
      const one = found(file(evidence))
      assert.equal(one.kind, kind)
      assert.deepEqual(one.wrappings, [])
      for (const given of [collateralOf(collateral), heap]) {
        const claims = await verifier.verify(one, given, new Date(at))
        assert.equal(claims.kind, kind)
        const json = await evidenceClaimsJson(claims, one, nodeCrypto)
        assert.deepEqual(JSON.parse(JSON.stringify(json)), json)
        const facts = await evidenceFacts(one, nodeCrypto)
        for (const name of Object.keys(facts)) assert.ok(name in json, name)
      }
    })

    test(`${evidence} is found in text and in JSON`, () => {
      const bytes = file(evidence)
      const texts = [
        [['hex'], `0x${toHex(bytes).toUpperCase()}\n`],
        [['base64'], `${toBase64(bytes).replace(/.{64}/g, '$&\r\n')}\0`],
        [['base64', 'hex'], toBase64(toUtf8(toHex(bytes)))],
        [['json'], JSON.stringify({ nonce: 'aGVsbG8', inner: { anything: toBase64(bytes) } })],
        [['json'], JSON.stringify({ counts: [1, 2, 3], token: [...bytes] })],
        [['json'], JSON.stringify([...bytes], null, 1)],
        [['json'], JSON.stringify({ primary: JSON.stringify({ quoted: toBase64(bytes) }) })],
        [['json'], JSON.stringify(toHex(bytes))],
      ] as const
      for (const [wrappings, text] of texts) {
        const one = found(toUtf8(text))
        assert.equal(one.kind, kind)
        // JSON in JSON is told by its innermost object.
        assert.deepEqual(
          one.wrappings
            .filter((form) => form !== 'json' || wrappings.some((w) => w === 'json'))
            .slice(0, wrappings.length),
          wrappings,
        )
        assert.deepEqual(Buffer.from(one.bytes), Buffer.from(bytes))
      }
    })

    test(`${evidence}: what is damaged anywhere is still known for what it should be, and refused`, async () => {
      const bytes = file(evidence)
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length - 3), async (length) => {
          const cut = bytes.subarray(0, length)
          const whole = tryFind(cut)
          const guess = whole?.kind ?? guessKind(cut)
          assert.ok(guess === kind || length < 3000, `${length} bytes of ${kind}: ${String(guess)}`)
          const one = whole ?? bareEvidence(kind, cut)
          await assert.rejects(verifier.verify(one, heap, new Date(at)), EvidenceInvalid)
        }),
        { numRuns: 40 },
      )
    })
  }

  test('a certificate table right after a report is its collateral', async () => {
    const vcek = file('other/snp-vcek.der')
    // VCEK's GUID in the order of its text, where its certificate is, and an entry of zeros.
    const table = Buffer.alloc(48)
    Buffer.from('63da758de6644564adc5f4b93be8accd', 'hex').copy(table)
    table.writeUInt32LE(48, 16)
    table.writeUInt32LE(vcek.length, 20)
    const one = found(Buffer.concat([file('other/snp-report.bin'), table, vcek]))
    assert.deepEqual(one.wrappings, ['certificate-table'])
    const claims = await verifier.verify(one, collateralOf([]), new Date('2025-06-01T00:00:00Z'))
    assert.equal(claims.kind, 'snp-report')
    // Reading it from a Buffer leaves the caller's bytes as they are.
    const before = Buffer.from(vcek)
    readEvidenceCollateral(before, 'VCEK')
    assert.deepEqual(before, Buffer.from(vcek))
  })

  test('several pieces in one object are refused; nothing else is ever thrown', () => {
    const [sgx = '', tdx = ''] = CASES.map(({ evidence }) => toBase64(file(evidence)))
    assert.throws(() => findEvidence(toUtf8(JSON.stringify({ sgx, tdx }))), EvidenceInvalid)
    for (const text of [
      '',
      '{}',
      '[]',
      '{'.repeat(50_000),
      '{"a":'.repeat(50_000),
      'AAAA'.repeat(20_000),
      '00'.repeat(50_000),
    ]) {
      assert.equal(findEvidence(toUtf8(text)), undefined)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
        tryFind(bytes)
        guessKind(bytes)
      }),
    )
  })

  test('collateral goes to the vendor that it is of', () => {
    assert.equal(heap.amd.endorsements.length, 1)
    assert.equal(heap.intel.tcbInfos.length, 3)
    assert.equal(heap.ccaPlatformKeys.length, 1)
    const rsa = toUtf8('{"kty":"RSA","kid":"HCLAkPub","n":"AQAB","e":"AQAB"}')
    assert.equal(readEvidenceCollateral(rsa, 'key').ccaPlatformKeys.length, 0)
    for (const text of ['', 'hello', '{"kty":"oct"}', '{"keys":[1]}', '{"tcbInfo":{}}']) {
      assert.throws(() => readEvidenceCollateral(toUtf8(text), 'file'), EvidenceInvalid)
    }
  })
})

function tryFind(bytes: Uint8Array): FoundEvidence | undefined {
  try {
    return findEvidence(bytes)
  } catch (error) {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    return undefined
  }
}
