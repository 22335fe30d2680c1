import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { CollateralUnavailable, type CollateralBundle } from '@taw/collateral'
import { EvidenceInvalid } from '@taw/attestation'
import { pino } from 'pino'
import { OwnCollateral } from './quote-collateral.ts'

const evidence = {
  kind: 'sgx-quote',
  evidence: readFileSync(
    path.resolve(import.meta.dirname, '../../../attestation/testdata/intel/sgx-v3-quote.bin'),
  ),
} as const
const bundle: CollateralBundle = { format: 'taw-collateral-bundle', version: 1, documents: [] }

function from(bundleFor: () => Promise<CollateralBundle>, deadlineMs = 60_000) {
  const lines: string[] = []
  const log = pino({}, { write: (line: string) => lines.push(line) })
  return { own: new OwnCollateral({ bundleFor }, deadlineMs, log), lines }
}

suite('collateral of the Coordinator’s own evidence', () => {
  test('is asked for by the evidence', async () => {
    const seen: string[] = []
    const own = new OwnCollateral(
      {
        bundleFor: ({ kind, bytes }) => {
          seen.push(kind, Buffer.from(bytes).toString('hex'))
          return Promise.resolve(bundle)
        },
      },
      60_000,
      pino({ level: 'silent' }),
    )
    assert.deepEqual(await own.for(evidence), { bundle })
    assert.deepEqual(seen, ['sgx-quote', evidence.evidence.toString('hex')])
  })

  test('what can’t be had is told by its reason, and nothing more', async () => {
    const unavailable = new CollateralUnavailable({
      document: 'intel-root-ca-crl',
      reason: 'unreachable',
      message: 'https://pccs.internal.example refuses connections',
      attempts: [],
      since: new Date(),
    })
    assert.deepEqual(await from(() => Promise.reject(unavailable)).own.for(evidence), {
      unavailable: 'unreachable',
    })
  })

  test('a machine that the vendor doesn’t know is told, and logged', async () => {
    const { own, lines } = from(() =>
      Promise.reject(
        new EvidenceInvalid('pck-chain', { message: 'no root', expected: 'Intel', found: 'others' }),
      ),
    )
    assert.deepEqual(await own.for(evidence), { unavailable: 'evidence-invalid' })
    assert.match(lines.join(''), /no root \(check pck-chain: expected Intel, found others\)/)
  })

  test('the answer doesn’t wait for a service that doesn’t answer', async () => {
    const { own } = from(() => new Promise(() => undefined), 1)
    assert.deepEqual(await own.for(evidence), { unavailable: 'late' })
  })

  test('what fails after the deadline is nobody’s business any more', async () => {
    const { promise, reject } = Promise.withResolvers<CollateralBundle>()
    const { own } = from(() => promise, 1)
    assert.deepEqual(await own.for(evidence), { unavailable: 'late' })
    reject(new TypeError('a defect'))
    await assert.rejects(promise, TypeError)
  })

  test('a defect is no reason', async () => {
    await assert.rejects(from(() => Promise.reject(new TypeError('a defect'))).own.for(evidence), TypeError)
  })
})
