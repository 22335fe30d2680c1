import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FMSPC, IntelPlatform } from '../../../../tests/support/tee-kit-intel.ts'
import { collateralRequest } from './collateral-request.ts'
import { parseQuote } from './quote.ts'

test('a quote says which collateral it needs', () => {
  const platform = { fmspc: FMSPC, ca: 'platform' }
  const kit = new IntelPlatform()
  assert.deepEqual(collateralRequest(parseQuote(kit.sgxQuote())), {
    tee: 'SGX',
    platform,
    pckCertificate: undefined,
  })
  assert.deepEqual(collateralRequest(parseQuote(kit.tdxQuote())), {
    tee: 'TDX',
    platform,
    pckCertificate: undefined,
  })
  const processor = new IntelPlatform({ caName: 'Intel SGX PCK Processor CA' })
  assert.equal(collateralRequest(parseQuote(processor.sgxQuote())).platform?.ca, 'processor')
})

test('a quote without a PCK certificate says how to get it', () => {
  const platform = new IntelPlatform()
  const quote = parseQuote(platform.sgxQuote({ certification: 'ppid' }))
  assert.deepEqual(collateralRequest(quote), {
    tee: 'SGX',
    platform: undefined,
    pckCertificate: {
      qeId: platform.qeId,
      encryptedPpid: platform.encryptedPpid,
      cpuSvn: '02'.repeat(16),
      pceSvn: 13,
      pceId: '0000',
    },
  })
})
