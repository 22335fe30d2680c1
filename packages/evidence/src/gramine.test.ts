import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createGramineDevice, createIntelVendor } from '@taw/tee-kit'
import type { GramineDevice, GramineDeviceOptions } from '@taw/tee-kit'
import { temporaryFolder } from '../../../tests/support/marble-process.ts'
import { EvidenceUnavailable } from './errors.ts'
import { openGramine } from './gramine.ts'
import type { EvidenceProvider } from './provider.ts'

const platform = createIntelVendor().createPlatform()
const enclave = { mrEnclave: '11'.repeat(32), mrSigner: '22'.repeat(32), isvProdId: 3, isvSvn: 4 }
/** Where the report data stands in an SGX quote. */
const reportDataOf = (quote: Uint8Array): Buffer => Buffer.from(quote.subarray(368, 432))

function device(t: TestContext, options: Partial<GramineDeviceOptions> = {}): GramineDevice {
  const root = path.join(temporaryFolder(t), 'attestation')
  const made = createGramineDevice({ root, platform, enclave, ...options })
  t.after(made.close)
  return made
}

async function quoteOf(provider: EvidenceProvider, reportData: Uint8Array): Promise<Uint8Array> {
  const evidence = await provider.quote(reportData)
  assert.equal(evidence?.kind, 'sgx-quote')
  return evidence.evidence
}

const unusable = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EvidenceUnavailable, String(error))
  assert.equal(error.code, 'tee_unusable')
  assert.match(error.message, pattern)
  return true
}

test('a quote over the report data, padded to 64 bytes', async (t) => {
  const provider = await openGramine({ root: device(t).root })
  assert.equal(provider.kind, 'sgx-quote')
  const quote = await quoteOf(provider, Buffer.alloc(32, 9))
  assert.deepEqual(reportDataOf(quote), Buffer.concat([Buffer.alloc(32, 9), Buffer.alloc(32)]))
  assert.equal(quote[0], 3)
})

test('callers that come at once, through two providers too, each get their own', async (t) => {
  const { root } = device(t)
  const providers = [await openGramine({ root }), await openGramine({ root: path.join(root, '.') })]
  const wanted = Array.from({ length: 12 }, (_, index) => Buffer.alloc(64, index))
  const quotes = await Promise.all(
    wanted.map(async (data, index) => {
      const provider = providers[index % 2]
      assert.ok(provider)
      return quoteOf(provider, data)
    }),
  )
  assert.deepEqual(quotes.map(reportDataOf), wanted)
})

test('more than 64 bytes are refused, not cut', async (t) => {
  const provider = await openGramine({ root: device(t).root })
  await assert.rejects(() => provider.quote(Buffer.alloc(65)), RangeError)
})

test('Gramine without DCAP is an error that says what to set', async (t) => {
  for (const attestationType of ['none', 'epid', '']) {
    const { root } = device(t, { attestationType })
    await assert.rejects(openGramine({ root }), unusable(/sgx\.remote_attestation = "dcap"/))
  }
  const root = temporaryFolder(t)
  await assert.rejects(openGramine({ root }), unusable(/ENOENT.*gramine-sgx/))
})

test('a device that gives nothing, noise, or a quote over other data is an error; the next quote is good', async (t) => {
  const one = device(t)
  const provider = await openGramine({ root: one.root })
  for (const [fault, pattern] of [
    ['empty', /is empty/],
    ['garbage', /not over the report data/],
    ['other-report-data', /not over the report data/],
  ] as const) {
    one.fault = fault
    await assert.rejects(provider.quote(Buffer.alloc(64, 1)), unusable(pattern))
  }
  one.fault = undefined
  assert.deepEqual(reportDataOf(await quoteOf(provider, Buffer.alloc(64, 2))), Buffer.alloc(64, 2))
})

test('a device that hangs is an error after the given time, also for those who wait behind', async (t) => {
  const one = device(t)
  one.fault = 'hang'
  const provider = await openGramine({ root: one.root, timeoutMs: 30 })
  const both = [provider.quote(Buffer.alloc(64, 1)), provider.quote(Buffer.alloc(64, 2))]
  for (const outcome of await Promise.allSettled(both)) {
    assert.equal(outcome.status, 'rejected')
    assert.ok(unusable(/more than 30 ms/)(outcome.reason))
  }
})

test('a missing quote file is an error', async (t) => {
  const root = path.join(temporaryFolder(t), 'attestation')
  mkdirSync(root)
  writeFileSync(path.join(root, 'attestation_type'), 'dcap\n')
  writeFileSync(path.join(root, 'user_report_data'), '')
  const provider = await openGramine({ root })
  await assert.rejects(provider.quote(Buffer.alloc(64)), unusable(/quote.*AESM/))
  writeFileSync(path.join(root, 'quote'), Buffer.alloc(65_537))
  await assert.rejects(provider.quote(Buffer.alloc(64)), unusable(/more than 65536 bytes/))
  rmSync(root, { recursive: true })
})
