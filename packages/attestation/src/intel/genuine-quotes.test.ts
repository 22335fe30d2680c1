import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { toBase64, toHex, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { webCrypto } from '../core/web.ts'
import { intelClaimsJson } from './claims-json.ts'
import { collateralFromFiles } from './collateral-files.ts'
import { findQuote, withoutOpenEnclaveHeader } from './containers.ts'
import { inspectQuote } from './quote-facts.ts'
import { parseQuote } from './quote.ts'
import { intelVerifier } from './verify.ts'

const file = (name: string): Uint8Array =>
  readFileSync(path.join(import.meta.dirname, '../../testdata/intel', name))

const CASES = [
  { name: 'sgx-v3', at: '2025-08-30T05:09:06Z', status: 'SWHardeningNeeded', advisories: ['INTEL-SA-00615'] },
  { name: 'tdx-v4', at: '2025-07-04T10:16:31Z', status: 'UpToDate', advisories: [] },
  { name: 'tdx-v5', at: '2026-02-25T00:45:50Z', status: 'UpToDate', advisories: [] },
] as const

const verifier = intelVerifier({ crypto: nodeCrypto })

suite('genuine quotes', () => {
  for (const { name, at, status, advisories } of CASES) {
    const quote = file(`${name}-quote.bin`)
    const collateral = collateralFromFiles([file(`${name}-collateral.json`)])

    test(`${name} verifies under Intel's root, with Node's crypto and with WebCrypto`, async () => {
      for (const crypto of [nodeCrypto, webCrypto]) {
        const claims = await intelVerifier({ crypto }).verifyQuote(quote, collateral, new Date(at))
        assert.equal(claims.tcb.status, status)
        assert.deepEqual(claims.tcb.advisories, advisories)
        const json = intelClaimsJson(claims)
        assert.deepEqual(JSON.parse(JSON.stringify(json)), json)
        assert.equal(json['exact_len'], quote.length)
      }
    })

    test(`${name}: no bit of what is signed can be changed`, async () => {
      const { length, signedBytes } = parseQuote(quote)
      await fc.assert(
        fc.asyncProperty(fc.nat(length - 1), fc.nat(7), async (offset, bit) => {
          const changed = new Uint8Array(quote)
          changed[offset] = (changed[offset] ?? 0) ^ (1 << bit)
          try {
            const claims = await verifier.verifyQuote(changed, collateral, new Date(at))
            // Letters between the PEM blocks, and their white space, are not signed.
            assert.deepEqual(claims.quote.signedBytes, signedBytes)
          } catch (error) {
            assert.ok(error instanceof EvidenceInvalid, String(error))
          }
        }),
        { numRuns: 300 },
      )
    })

    test(`${name} is refused when it is cut anywhere`, () => {
      for (let length = 0; length < quote.length; length += 1) {
        assert.throws(() => parseQuote(quote.subarray(0, length)), EvidenceInvalid)
      }
    })
  }

  test('bytes after a quote are reported, and change nothing', async () => {
    const quote = Buffer.concat([file('tdx-v4-quote.bin'), Buffer.from([1, 2, 3])])
    const collateral = collateralFromFiles([file('tdx-v4-collateral.json')])
    const claims = await verifier.verifyQuote(quote, collateral, new Date(CASES[1].at))
    assert.equal(claims.quote.trailing.length, 3)
    assert.equal((await inspectQuote(parseQuote(quote), nodeCrypto))['trailing_all_zero'], false)
  })

  test('are found in hex, base64, JSON and with the Open Enclave header', () => {
    const quote = file('sgx-v3-quote.bin')
    const header = Buffer.from('0100000002000000000000000000000000', 'hex').subarray(0, 16)
    header.writeUInt32LE(quote.length, 8)
    const report = Buffer.concat([header, quote])
    assert.deepEqual(withoutOpenEnclaveHeader(report), Buffer.from(quote))
    for (const [form, bytes] of [
      ['quote', quote],
      ['open-enclave-report', report],
      ['hex', toUtf8(`0x${toHex(quote)}\n`)],
      ['base64', toUtf8(toBase64(quote))],
      ['open-enclave-report', toUtf8(toHex(report).toUpperCase())],
      [
        'json',
        toUtf8(
          JSON.stringify({ other: 1, outblob: toBase64(quote).replaceAll('+', '-').replaceAll('/', '_') }),
        ),
      ],
      ['json', toUtf8(JSON.stringify({ QuoteHex: toHex(report).toUpperCase() }))],
    ] as const) {
      const found = findQuote(bytes)
      assert.equal(found?.form, form)
      assert.deepEqual(Buffer.from(found.quote), Buffer.from(quote))
    }
    assert.throws(
      () => findQuote(toUtf8(JSON.stringify({ a: toHex(quote), b: toHex(quote) }))),
      EvidenceInvalid,
    )
    for (const text of ['', '{}', '{"a":', 'hello', '00'.repeat(500), '['.repeat(100_000)]) {
      assert.equal(findQuote(toUtf8(text)), undefined)
    }
  })

  test('an Open Enclave header that promises too much is refused', () => {
    const header = Buffer.alloc(16)
    header.writeUInt32LE(1, 0)
    header.writeUInt32LE(2, 4)
    const quote = file('sgx-v3-quote.bin')
    for (const size of [quote.length + 1, 2 ** 40]) {
      header.writeBigUInt64LE(BigInt(size), 8)
      assert.throws(() => withoutOpenEnclaveHeader(Buffer.concat([header, quote])), EvidenceInvalid)
    }
  })
})
