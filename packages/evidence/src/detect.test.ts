import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createGramineDevice, createIntelVendor, createTsmDevice } from '@taw/tee-kit'
import { temporaryFolder } from '../../../tests/support/marble-process.ts'
import { detectEvidenceProvider, openEvidenceProvider } from './detect.ts'
import { EvidenceUnavailable } from './errors.ts'

const platform = createIntelVendor().createPlatform()
const enclave = { mrEnclave: '11'.repeat(32), mrSigner: '22'.repeat(32), isvProdId: 3, isvSvn: 4 }

const unavailable = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EvidenceUnavailable, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

test('Gramine before the kernel; without any of them an error, never simulation', async (t) => {
  const base = temporaryFolder(t)
  const roots = { gramineRoot: path.join(base, 'attestation'), tsmRoot: path.join(base, 'report') }
  await assert.rejects(detectEvidenceProvider(roots), unavailable('no_tee', /attestation.*report/))
  await assert.rejects(openEvidenceProvider('auto', roots), unavailable('no_tee', /no TEE was found/))

  mkdirSync(path.join(roots.gramineRoot, 'keys'), { recursive: true })
  await assert.rejects(detectEvidenceProvider(roots), unavailable('no_tee', /no TEE/))

  const tsm = createTsmDevice({
    root: roots.tsmRoot,
    provider: 'tdx_guest',
    outblob: ({ reportData }) => platform.quoteTdx({ reportData }),
  })
  t.after(tsm.close)
  assert.equal((await detectEvidenceProvider(roots)).name, 'tsm')

  const gramine = createGramineDevice({ root: roots.gramineRoot, platform, enclave })
  t.after(gramine.close)
  const found = await detectEvidenceProvider(roots)
  assert.equal(found.name, 'gramine')
  assert.ok(await found.quote(Buffer.alloc(64, 3)))
  assert.equal((await openEvidenceProvider('tsm', roots)).kind, 'tdx-quote')
})

test('a TEE that is there but does not answer is an error, and nothing else is tried', async (t) => {
  const base = temporaryFolder(t)
  const roots = { gramineRoot: path.join(base, 'attestation'), tsmRoot: path.join(base, 'report') }
  mkdirSync(roots.tsmRoot)
  await assert.rejects(detectEvidenceProvider(roots), unavailable('tee_unusable', /provider/))
  mkdirSync(roots.gramineRoot)
  writeFileSync(path.join(roots.gramineRoot, 'user_report_data'), '')
  writeFileSync(path.join(roots.gramineRoot, 'attestation_type'), 'none')
  await assert.rejects(detectEvidenceProvider(roots), unavailable('tee_unusable', /dcap/))
  rmSync(roots.gramineRoot, { recursive: true })
  await assert.rejects(openEvidenceProvider('gramine', roots), unavailable('tee_unusable', /ENOENT/))
})

test('none is simulation, and gives nothing', async () => {
  const provider = await openEvidenceProvider('none')
  assert.equal(provider.kind, 'none')
  assert.equal(await provider.quote(Buffer.alloc(64)), undefined)
})
