import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { intelVerifier } from '../../packages/attestation/src/index.ts'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import { TestTime, collateralService } from '../support/collateral-service.ts'
import { sharedPath, skipWithoutShared } from '../support/shared.ts'
import { VendorServer } from '../support/vendor-server.ts'
import { loadVectors, vectorFile } from './intel-vectors.ts'
import type { CollateralFiles } from './intel-vectors.ts'

// Every recorded quote whose platform its certificate names: a service answers with the documents of the recorded day, and the
// verdict is the recorded one.

const text = (file: string): string => readFileSync(sharedPath(`golden/vectors/${file}`), 'utf8')

function serve(server: VendorServer, files: CollateralFiles): void {
  const chain = (file: string): string => encodeURIComponent(text(file))
  const isTdx = files.tcb_info.includes('/tdx-')
  const base = `/${isTdx ? 'tdx' : 'sgx'}/certification/v4`
  server.replies.clear()
  server.replies.set(`${base}/tcb`, {
    headers: { 'TCB-Info-Issuer-Chain': chain(files.tcb_info_issuer_chain) },
    body: vectorFile(files.tcb_info),
  })
  server.replies.set(`${base}/qe/identity`, {
    headers: { 'SGX-Enclave-Identity-Issuer-Chain': chain(files.qe_identity_issuer_chain) },
    body: vectorFile(files.qe_identity),
  })
  server.replies.set('/sgx/certification/v4/pckcrl', {
    headers: { 'SGX-PCK-CRL-Issuer-Chain': chain(files.pck_crl_issuer_chain) },
    body: vectorFile(files.pck_crl),
  })
  server.replies.set('/sgx/certification/v4/rootcacrl', { body: vectorFile(files.root_ca_crl) })
}

describe('recorded documents through a service', { skip: skipWithoutShared }, () => {
  let server: VendorServer
  before(async () => {
    server = await VendorServer.start()
  })
  after(() => server.stop())
  const verifier = intelVerifier({ crypto: nodeCrypto })
  const vectors = skipWithoutShared
    ? []
    : loadVectors().filter(({ verdict }) => verdict?.signature_and_chain === 'valid')

  for (const vector of vectors) {
    for (const scenario of vector.scenarios ?? []) {
      const { collateral: files, expected } = scenario
      if (!files || expected.tcb_status === undefined || expected.tcb_status === 'NoMatchingTcbLevel')
        continue
      test(`${vector.id}, ${scenario.name}`, async () => {
        serve(server, files)
        const quote = vectorFile(vector.file)
        const time = new TestTime(scenario.validation_time)
        const { service } = collateralService(server, time)
        const collateral = await service.forQuote(quote)
        const { tcb } = await verifier.verifyQuote(quote, collateral, time.now)
        assert.equal(tcb.status, expected.tcb_status)
        service.close()
      })
    }
  }

  test('there are some', () => {
    assert.ok(vectors.length > 30, `${vectors.length}`)
  })
})
