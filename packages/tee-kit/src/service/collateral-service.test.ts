import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { after, before, suite, test } from 'node:test'
import {
  EvidenceInvalid,
  amdCollateralFromFiles,
  amdVerifier,
  collateralFromFiles,
  collateralFromParts,
  intelVerifier,
  mergeCollateral,
  parseCertificate,
} from '@taw/attestation'
import type { IntelCollateral } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { createAmdVendor } from '../amd/vendor.ts'
import { createIntelVendor } from '../intel/vendor.ts'
import type { Resource, ServiceFault } from './answer.ts'
import { startCollateralService } from './collateral-service.ts'
import type { CollateralService } from './collateral-service.ts'

const AT = new Date('2026-03-01T12:00:00Z')
const now = (): Date => AT
const intel = createIntelVendor({ now })
const amd = createAmdVendor({ now, keyBits: 2048 })
const platform = intel.createPlatform()
const chip = amd.createChip()
let service: CollateralService
let pcs: CollateralService
before(async () => {
  service = await startCollateralService({ intel, amd: [amd], delayMs: 50 })
  pcs = await startCollateralService({ intel, flavour: 'pcs' })
})
after(() => Promise.all([service.close(), pcs.close()]))

interface HttpAnswer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function fetched(path: string, from = service): Promise<HttpAnswer> {
  const request = get(`${from.url}${path}`, { ca: from.ca, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) {
    assert.ok(chunk instanceof Buffer)
    chunks.push(chunk)
  }
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

const headerOf = ({ headers }: HttpAnswer, name: string): Buffer => Buffer.from(String(headers[name]))

async function intelParts(tee: 'sgx' | 'tdx', from = service): Promise<IntelCollateral> {
  const base = `/${tee}/certification/v4`
  const [tcb, qe, crl, root] = await Promise.all([
    fetched(`${base}/tcb?fmspc=${platform.fmspc}`, from),
    fetched(`${base}/qe/identity`, from),
    fetched('/sgx/certification/v4/pckcrl?ca=platform', from),
    fetched(from === service ? '/sgx/certification/v4/rootcacrl' : '/IntelSGXRootCA.der', from),
  ])
  return collateralFromParts({
    tcbInfo: tcb.body,
    tcbInfoIssuerChain: headerOf(tcb, 'tcb-info-issuer-chain'),
    qeIdentity: qe.body,
    qeIdentityIssuerChain: headerOf(qe, 'sgx-enclave-identity-issuer-chain'),
    pckCrl: crl.body,
    pckCrlIssuerChain: headerOf(crl, 'sgx-pck-crl-issuer-chain'),
    rootCaCrl: root.body,
  })
}

const intelRoot = parseCertificate(intel.rootCertificate)
const verifyIntel = async (tee: 'sgx' | 'tdx' = 'sgx', from = service): Promise<void> => {
  const quote = tee === 'sgx' ? platform.quoteSgx() : platform.quoteTdx()
  const verifier = intelVerifier({ crypto: nodeCrypto, anchors: [intelRoot] })
  await verifier.verifyQuote(quote, await intelParts(tee, from), AT)
}

const vcekPath = `/vcek/v1/Milan/${chip.hwid}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219`
async function verifyAmd(): Promise<void> {
  const answers = await Promise.all(
    [vcekPath, '/vcek/v1/Milan/cert_chain', '/vcek/v1/Milan/crl'].map((path) => fetched(path)),
  )
  const anchors = [{ product: 'Milan' as const, ark: parseCertificate(amd.ark), intermediates: [] }]
  const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'required', anchors })
  await verifier.verifyReport(
    chip.report(),
    amdCollateralFromFiles(answers.map(({ body }) => Buffer.from(body))),
    AT,
  )
}

async function under(fault: ServiceFault, resource: Resource, check: () => Promise<void>): Promise<void> {
  service.setFault(fault, resource)
  try {
    await check()
  } finally {
    service.setFault(undefined)
  }
}

const refused = (name: string) => (error: unknown) => {
  assert.ok(error instanceof EvidenceInvalid, String(error))
  assert.equal(error.check, name, error.message)
  return true
}

suite('what it serves', () => {
  test('verifies SGX and TDX quotes, as a PCCS and as a PCS', async () => {
    for (const tee of ['sgx', 'tdx'] as const) {
      await verifyIntel(tee)
      await verifyIntel(tee, pcs)
    }
  })

  test('is a TCB info of version 2 in version 3 of the API, which has no TDX', async () => {
    const answer = await fetched(`/sgx/certification/v3/tcb?fmspc=${platform.fmspc}`)
    assert.match(answer.body.toString(), /"version":2.*"sgxtcbcomp01svn":15/)
    assert.match(headerOf(answer, 'sgx-tcb-info-issuer-chain').toString(), /^-----BEGIN%20CERT/)
    assert.equal((await fetched(`/tdx/certification/v3/tcb?fmspc=${platform.fmspc}`)).status, 404)
  })

  test('is the PCK certificate of a quote that only names its platform', async () => {
    const { pceId, cpuSvn, qeId, encryptedPpid } = platform
    const rest = `cpusvn=${cpuSvn}&pcesvn=0d00&pceid=${pceId}`
    for (const who of [`qeid=${qeId}&encrypted_ppid=${encryptedPpid}`, `encrypted_ppid=${encryptedPpid}`]) {
      const answer = await fetched(`/sgx/certification/v4/pckcert?${who}&${rest}`)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['sgx-fmspc'], platform.fmspc)
      const own = collateralFromFiles([answer.body, headerOf(answer, 'sgx-pck-certificate-issuer-chain')])
      const collateral = mergeCollateral(await intelParts('sgx'), own)
      const verifier = intelVerifier({ crypto: nodeCrypto, anchors: [intelRoot] })
      await verifier.verifyQuote(platform.quoteSgx({ certification: 'ppid' }), collateral, AT)
    }
    assert.equal((await fetched(`/sgx/certification/v4/pckcert?qeid=00&${rest}`)).status, 404)
  })

  test('verifies SEV-SNP reports', async () => {
    await verifyAmd()
    assert.equal((await fetched('/vlek/v1/Milan/cert_chain')).status, 200)
  })

  test('is an error for what the vendors would refuse', async () => {
    for (const [path, status] of [
      ['/sgx/certification/v4/tcb?fmspc=12', 400],
      ['/sgx/certification/v4/tcb?fmspc=ffffffffffff', 404],
      [`/sgx/certification/v4/tcb?fmspc=${platform.fmspc}&update=never`, 400],
      ['/sgx/certification/v4/pckcrl?ca=other', 400],
      ['/sgx/certification/v4/unknown', 404],
      [vcekPath.replace('snpSPL=24', 'snpSPL=23'), 404],
      [vcekPath.replace('snpSPL=24', 'snpSPL=x'), 400],
      ['/vcek/v1/Milan/00', 404],
      ['/vcek/v1/Genoa/crl', 404],
      ['/', 404],
    ] as const) {
      assert.equal((await fetched(path)).status, status, path)
    }
  })

  test('is counted', async () => {
    const earlier = [service.requests('tcb-info'), service.requests()] as const
    await fetched(`/sgx/certification/v4/tcb?fmspc=${platform.fmspc}`)
    assert.equal(service.requests('tcb-info'), earlier[0] + 1)
    assert.equal(service.requests(), earlier[1] + 1)
  })
})

suite('faults', () => {
  test('of content are refused by their checks', async () => {
    for (const [resource, check] of [
      ['tcb-info', 'tcb-info'],
      ['qe-identity', 'qe-identity-document'],
      ['pck-crl', 'pck-crl'],
      ['root-crl', 'root-ca-crl'],
    ] as const) {
      for (const fault of ['stale', 'lying', 'flattering'] as const) {
        await under(fault, resource, () => assert.rejects(verifyIntel(), refused(check)))
      }
      for (const fault of ['garbage', 'empty'] as const) {
        await under(fault, resource, () => assert.rejects(verifyIntel(), refused('collateral-format')))
      }
    }
    for (const [resource, check] of [
      ['vcek', 'endorsement-chain'],
      ['amd-crl', 'amd-crl'],
    ] as const) {
      for (const fault of ['stale', 'lying', 'flattering'] as const) {
        await under(fault, resource, () => assert.rejects(verifyAmd(), refused(check)))
      }
    }
    await verifyIntel()
    await verifyAmd()
  })

  test('of the service itself', async () => {
    const path = '/vcek/v1/Milan/crl'
    const code =
      (...codes: readonly string[]) =>
      (error: unknown) =>
        error instanceof Error && 'code' in error && codes.includes(String(error.code))
    await under('down', 'amd-crl', () => assert.rejects(fetched(path), code('ECONNRESET')))
    await under('cut', 'amd-crl', () => assert.rejects(fetched(path), code('ECONNRESET')))
    for (const [fault, status] of [
      ['unavailable', 503],
      ['throttled', 429],
      ['slow', 200],
    ] as const) {
      await under(fault, 'amd-crl', async () => {
        assert.equal((await fetched(path)).status, status)
      })
    }
  })

  test('silence lasts until whoever waits gives up', async () => {
    await under('silent', 'amd-crl', async () => {
      const earlier = service.requests('amd-crl')
      const request = get(`${service.url}/vcek/v1/Milan/crl`, { ca: service.ca, agent: false })
      const failed = once(request, 'error')
      request.on('response', () => assert.fail('it answered'))
      while (service.requests('amd-crl') === earlier) await new Promise(setImmediate)
      request.destroy(new Error('given up'))
      await failed
    })
  })
})
