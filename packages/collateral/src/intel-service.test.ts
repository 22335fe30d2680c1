import { EvidenceInvalid, intelVerifier } from '@taw/attestation'
import type { IntelCollateral } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { TestTime, collateralService, unavailable } from '../../../tests/support/collateral-service.ts'
import { FMSPC, IntelPlatform, pem } from '../../../tests/support/tee-kit-intel.ts'
import { serveIntel } from '../../../tests/support/vendor-replies.ts'
import { VendorServer } from '../../../tests/support/vendor-server.ts'
import type { Reply } from '../../../tests/support/vendor-server.ts'
import type { FailureReason } from './failure.ts'
import { IntelService } from './intel-service.ts'

const platform = new IntelPlatform()
const TIME = '2025-06-10T00:00:00Z'
const tcbPath = `/sgx/certification/v4/tcb?fmspc=${FMSPC}`
const tcbName = `intel-tcb-info/SGX/${FMSPC}/standard`

describe('Intel’s services', () => {
  let server: VendorServer
  let time: TestTime
  before(async () => {
    server = await VendorServer.start()
  })
  after(() => server.stop())
  beforeEach(() => {
    time = new TestTime(TIME)
    server.requests.length = 0
    server.replies.clear()
    server.everything = undefined
    serveIntel(server, platform)
  })

  const options = { intelAnchors: platform.anchors }
  const verify = async (quote: Uint8Array, collateral: IntelCollateral): Promise<string> => {
    const verifier = intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors })
    return (await verifier.verifyQuote(quote, collateral, time.now)).tcb.status
  }

  test('what a quote needs is fetched once, and verifies it', async () => {
    const { service } = collateralService(server, time, options)
    const quote = platform.sgxQuote()
    assert.equal(await verify(quote, await service.forQuote(quote)), 'UpToDate')
    assert.deepEqual(server.requests.map(({ path }) => path).sort(), [
      '/sgx/certification/v4/pckcrl',
      '/sgx/certification/v4/qe/identity',
      '/sgx/certification/v4/rootcacrl',
      '/sgx/certification/v4/tcb',
    ])
    assert.equal(await verify(quote, await service.forQuote(quote)), 'UpToDate')
    assert.equal(server.requests.length, 4)
    const { hits, misses, fetches, requests, documents } = service.stats()
    // Every other document waited for the root CA's list, which is a hit or a miss more.
    assert.deepEqual({ fetches, requests, documents }, { fetches: 4, requests: 4, documents: 4 })
    assert.equal(hits + misses, 4 + 3 + 4)
    service.close()
  })

  test('TDX has paths of its own', async () => {
    const { service } = collateralService(server, time, options)
    const quote = platform.tdxQuote({ teeTcbSvn: '05000300000000000000000000000000' })
    assert.equal(await verify(quote, await service.forQuote(quote)), 'UpToDate')
    assert.equal(server.countOf('/tdx/certification/v4/tcb'), 1)
    assert.equal(server.countOf('/tdx/certification/v4/qe/identity'), 1)
    service.close()
  })

  for (const crlForm of ['der', 'hex', 'pem'] as const) {
    test(`API v3, revocation lists as ${crlForm}`, async () => {
      server.replies.clear()
      serveIntel(server, platform, { api: 'v3', crlForm })
      const { service } = collateralService(server, time, {
        ...options,
        intel: { url: `${server.url}/sgx/certification/v3/`, ca: server.ca },
      })
      const quote = platform.sgxQuote()
      assert.equal(await verify(quote, await service.forQuote(quote)), 'UpToDate')
      service.close()
    })
  }

  test('early TCB info is asked for, and kept apart', async () => {
    const base = '/sgx/certification/v4'
    for (const path of [tcbPath, `${base}/qe/identity`]) {
      const reply = server.replies.get(path)
      assert.ok(reply)
      server.replies.set(`${path}${path.includes('?') ? '&' : '?'}update=early`, reply)
      server.replies.delete(path)
    }
    const intel = { url: server.url, ca: server.ca, update: 'early' } as const
    const { service } = collateralService(server, time, { ...options, intel })
    await service.forQuote(platform.sgxQuote())
    assert.match(new TextDecoder().decode(service.exportBundle()), /intel-tcb-info\/SGX\/[0-9a-f]*\/early/)
    service.close()
  })

  test('a thousand at once cause one request for each document', async () => {
    const { service } = collateralService(server, time, options)
    const quote = platform.sgxQuote()
    const all = await Promise.all(Array.from({ length: 1000 }, () => service.forQuote(quote)))
    assert.equal(all.length, 1000)
    assert.equal(server.requests.length, 4)
    service.close()
  })

  test('who is not genuine causes no request', async () => {
    const { service } = collateralService(server, time, options)
    const stranger = new IntelPlatform()
    await assert.rejects(service.forQuote(stranger.sgxQuote()), EvidenceInvalid)
    const forged = platform.sgxQuote()
    forged[60] = (forged[60] ?? 0) ^ 1
    await assert.rejects(
      service.forQuote(forged),
      (error) => error instanceof EvidenceInvalid && error.check === 'quote-signature',
    )
    assert.equal(server.requests.length, 0)
    service.close()
  })

  const failures: readonly (readonly [string, Reply, FailureReason, number])[] = [
    ['an unknown platform', { status: 404 }, 'not-found', 1],
    ['a request that the service does not understand', { status: 400 }, 'bad-request', 1],
    ['a missing key', { status: 401 }, 'unauthorized', 1],
    ['too many requests', { status: 429 }, 'rate-limited', 2],
    ['a service with a defect', { status: 500 }, 'service-error', 2],
    ['a teapot', { status: 418 }, 'unexpected-status', 1],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }, 'redirected', 1],
    ['a service that never answers', 'never', 'timeout', 2],
    ['half an answer', 'cut', 'interrupted', 2],
    ['garbage', { headers: chain(platform), body: 'garbage' }, 'malformed', 1],
    ['an empty answer', { headers: chain(platform), body: '' }, 'malformed', 1],
    ['no issuer chain', { body: platform.signedTcbInfo(platform.sgxTcbInfo()) }, 'malformed', 1],
    ['a chain that is no chain', withChain('%E0%A4%A'), 'malformed', 1],
    ['a huge answer', { headers: chain(platform), body: ' '.repeat(1024 * 1024 + 1) }, 'too-large', 1],
    ['a huge answer in pieces', chunked(), 'too-large', 1],
    [
      'a compressed answer',
      { headers: { ...chain(platform), 'content-encoding': 'gzip' }, body: 'x' },
      'malformed',
      1,
    ],
    [
      'an issuer chain of someone else',
      withChain(encodeURIComponent(pem(new IntelPlatform().signer))),
      'invalid',
      1,
    ],
    [
      'a PCK chain as the issuer',
      withChain(encodeURIComponent(pem(platform.pck, platform.ca, platform.root))),
      'invalid',
      1,
    ],
    ['TCB info of another platform', tcbInfo({ fmspc: '00606a000000' }), 'invalid', 1],
    [
      'TCB info of another TEE',
      { headers: chain(platform), body: platform.signedTcbInfo(platform.tdxTcbInfo()) },
      'invalid',
      1,
    ],
    [
      'TCB info of last month',
      tcbInfo({ issueDate: '2025-05-01T00:00:00Z', nextUpdate: '2025-05-31T00:00:00Z' }),
      'invalid',
      1,
    ],
    ['TCB info of tomorrow', tcbInfo({ issueDate: '2025-06-11T00:00:00Z' }), 'invalid', 1],
    ['TCB info that was altered', altered(), 'invalid', 1],
    [
      'TCB info that a PCK key signed',
      { headers: chain(platform), body: platform.signedTcbInfo(platform.sgxTcbInfo(), 'pck') },
      'invalid',
      1,
    ],
    [
      'the QE identity instead',
      { headers: chain(platform), body: platform.signedQeIdentity(platform.qeIdentity()) },
      'invalid',
      1,
    ],
  ]
  for (const [what, reply, reason, attempts] of failures) {
    test(`${what}: ${reason}`, async () => {
      server.replies.set(tcbPath, reply)
      const { service } = collateralService(server, time, {
        ...options,
        retry: { attempts: 2, backoffMs: 1, attemptTimeoutMs: reply === 'never' ? 1000 : 120_000 },
      })
      const error = await unavailable(service.forQuote(platform.sgxQuote()))
      assert.equal(error.reason, reason, error.message)
      assert.equal(error.document, tcbName)
      assert.equal(error.attempts.length, attempts)
      assert.equal(error.since.toISOString(), time.now.toISOString())
      assert.ok((service.stats().failures[reason] ?? 0) >= attempts)
      assert.equal(server.countOf('/elsewhere'), 0)
      // Nothing of it was kept, and for a moment nobody asks again.
      assert.ok(!new TextDecoder().decode(service.exportBundle()).includes(tcbName))
      const asked = server.countOf('/sgx/certification/v4/tcb')
      assert.equal(asked, attempts)
      await unavailable(service.forQuote(platform.sgxQuote()))
      assert.equal(server.countOf('/sgx/certification/v4/tcb'), asked)
      // Later it works again, though it has not for a while.
      server.replies.clear()
      serveIntel(server, platform)
      await time.set('2025-06-10T00:01:00Z')
      assert.equal(await verify(platform.sgxQuote(), await service.forQuote(platform.sgxQuote())), 'UpToDate')
      service.close()
    })
  }

  test('a signer that the root has revoked', async () => {
    const revoked = new IntelPlatform({ revokedByRoot: [4] })
    serveIntel(server, revoked)
    const { service } = collateralService(server, time, { intelAnchors: revoked.anchors })
    const error = await unavailable(service.forQuote(revoked.sgxQuote()))
    assert.equal(error.reason, 'invalid')
    assert.match(error.message, /revoked/)
    service.close()
  })

  test('lists of another issuer', async () => {
    const stranger = new IntelPlatform()
    server.replies.set('/sgx/certification/v4/rootcacrl', { body: stranger.rootCrl() })
    const { service } = collateralService(server, time, options)
    const error = await unavailable(service.forQuote(platform.sgxQuote()))
    assert.deepEqual([error.document, error.reason], ['intel-root-ca-crl', 'invalid'])
    // It vouches for all others, so none of them was kept.
    assert.equal(service.stats().documents, 0)
    service.close()
  })

  test('Retry-After longer than the time at hand ends the attempts', async () => {
    server.replies.set(tcbPath, { status: 429, headers: { 'retry-after': '3600' } })
    const { service } = collateralService(server, time, options)
    const error = await unavailable(service.forQuote(platform.sgxQuote()))
    assert.deepEqual([error.reason, error.attempts.length], ['rate-limited', 1])
    service.close()
  })

  test('the total time ends a service that is slow again and again', async () => {
    server.everything = 'never'
    const { service } = collateralService(server, time, {
      ...options,
      retry: { attempts: 1000, backoffMs: 1, attemptTimeoutMs: 50, totalTimeoutMs: 200 },
    })
    const error = await unavailable(service.forQuote(platform.sgxQuote()))
    assert.equal(error.reason, 'timeout')
    assert.ok(error.attempts.length >= 2 && error.attempts.length <= 5, `${error.attempts.length}`)
    service.close()
  })

  test('quotes that only name their platform: its PCK certificate is fetched', async () => {
    const quote = platform.sgxQuote({ certification: 'ppid' })
    server.replies.set('/sgx/certification/v4/pckcert', {
      headers: { 'SGX-PCK-Certificate-Issuer-Chain': encodeURIComponent(pem(platform.ca, platform.root)) },
      body: pem(platform.pck),
    })
    const { service } = collateralService(server, time, options)
    assert.equal(await verify(quote, await service.forQuote(quote)), 'UpToDate')
    const query = server.requests.find(({ path }) => path.endsWith('/pckcert'))?.query
    assert.ok(query)
    assert.equal(query.get('encrypted_ppid')?.length, 768)
    assert.deepEqual(
      ['qeid', 'cpusvn', 'pcesvn', 'pceid'].map((name) => query.get(name)?.length),
      [32, 32, 4, 4],
    )
    await service.forQuote(quote)
    assert.equal(server.countOf('/sgx/certification/v4/pckcert'), 1)
    service.close()
  })

  test('a certificate that did not make the quote is not kept', async () => {
    const quote = platform.sgxQuote({ certification: 'ppid' })
    const { service } = collateralService(server, time, { intelAnchors: [...platform.anchors] })
    const other = new IntelPlatform()
    server.replies.set('/sgx/certification/v4/pckcert', {
      headers: { 'SGX-PCK-Certificate-Issuer-Chain': encodeURIComponent(pem(platform.ca, platform.root)) },
      body: pem(other.pck),
    })
    assert.equal((await unavailable(service.forQuote(quote))).reason, 'invalid')
    service.close()
  })

  test('URLs: Intel’s own, a PCCS’, and what is refused', () => {
    const own = new IntelService({})
    assert.equal(
      own.urlOf({ kind: 'intel-root-ca-crl' }).href,
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    )
    assert.equal(
      own.urlOf({ kind: 'intel-tcb-info', tee: 'TDX', fmspc: FMSPC, update: 'early' }).href,
      `https://api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=${FMSPC}&update=early`,
    )
    const pccs = new IntelService({ url: 'https://pccs.example:8081/sgx/certification/v3/' })
    assert.equal(
      pccs.urlOf({ kind: 'intel-root-ca-crl' }).href,
      'https://pccs.example:8081/sgx/certification/v3/rootcacrl',
    )
    assert.throws(() => new IntelService({ url: 'http://pccs.example' }), /must start with https/)
    assert.throws(() => new IntelService({ url: 'https://pccs.example/?a=b' }), /has a query/)
    assert.throws(() => new IntelService({ url: 'pccs' }), TypeError)
  })
})

function chain(of: IntelPlatform): Record<string, string> {
  return { 'TCB-Info-Issuer-Chain': encodeURIComponent(pem(of.signer, of.root)) }
}

function withChain(text: string): Reply {
  return {
    headers: { 'TCB-Info-Issuer-Chain': text },
    body: platform.signedTcbInfo(platform.sgxTcbInfo()),
  }
}

function tcbInfo(changes: Record<string, string>): Reply {
  return { headers: chain(platform), body: platform.signedTcbInfo(platform.sgxTcbInfo(changes)) }
}

function altered(): Reply {
  const text = new TextDecoder().decode(platform.signedTcbInfo(platform.sgxTcbInfo()))
  return { headers: chain(platform), body: text.replace('OutOfDate', 'UpToDate') }
}

/** Without content-length. */
function chunked(): Reply {
  return {
    headers: { ...chain(platform), 'transfer-encoding': 'chunked' },
    body: ' '.repeat(2 * 1024 * 1024),
  }
}
