import { EvidenceInvalid, collateralFromFiles, intelVerifier } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { TestTime, collateralService, unavailable } from '../../../tests/support/collateral-service.ts'
import { FMSPC, IntelPlatform } from '../../../tests/support/tee-kit-intel.ts'
import { serveIntel } from '../../../tests/support/vendor-replies.ts'
import { VendorServer } from '../../../tests/support/vendor-server.ts'
import type { CollateralServiceOptions } from './service.ts'

const platform = new IntelPlatform()
const quote = platform.sgxQuote()
const TIME = '2025-06-10T00:00:00Z'
const tcbName = `intel-tcb-info/SGX/${FMSPC}/standard`

describe('documents that are kept', () => {
  let server: VendorServer
  let time: TestTime
  let directory: string
  before(async () => {
    server = await VendorServer.start()
  })
  after(() => server.stop())
  beforeEach((context) => {
    time = new TestTime(TIME)
    server.requests.length = 0
    server.replies.clear()
    server.everything = undefined
    serveIntel(server, platform)
    directory = mkdtempSync(path.join(tmpdir(), 'taw-collateral-'))
    if ('after' in context) {
      context.after(() => {
        // The last document may still be on its way to it.
        rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
      })
    }
  })
  const start = (options: Partial<CollateralServiceOptions> = {}): ReturnType<typeof collateralService> =>
    collateralService(server, time, { intelAnchors: platform.anchors, directory, ...options })
  const settled = async (condition: () => boolean): Promise<void> => {
    const end = performance.now() + 120_000
    while (!condition()) {
      assert.ok(performance.now() < end, 'it never happened')
      await turn()
    }
  }
  const files = (): string[] => readdirSync(directory).sort()
  const damage = (name: RegExp, change: (text: string) => string): void => {
    const file = path.join(directory, files().find((one) => name.test(one)) ?? '')
    writeFileSync(file, change(readFileSync(file, 'utf8')))
  }

  test('a restart while the service is down', async () => {
    const first = start()
    await first.service.forQuote(quote)
    first.service.close()
    assert.deepEqual(files(), [
      'intel-pck-crl_platform.json',
      'intel-qe-identity_SGX_standard.json',
      'intel-root-ca-crl.json',
      `intel-tcb-info_SGX_${FMSPC}_standard.json`,
    ])
    server.everything = { status: 503 }
    const second = start()
    await second.service.forQuote(quote)
    assert.equal(server.requests.length, 4)
    assert.equal(second.service.stats().diskHits, 4)
    second.service.close()
  })

  const damages: readonly (readonly [string, (text: string) => string])[] = [
    ['is empty', () => ''],
    ['is cut off', (text) => text.slice(0, text.length / 2)],
    ['is of another document', (text) => text.replaceAll(FMSPC, '00606a000000')],
    ['is of another version', (text) => text.replace('"version":1', '"version":2')],
    ['was altered', (text) => text.replace('"body":"ey', '"body":"eY')],
    ['has a document that nobody signed', (text) => forged(text)],
  ]
  for (const [what, change] of damages) {
    test(`a file of the cache that ${what} is dropped, and the document fetched`, async () => {
      const first = start()
      await first.service.forQuote(quote)
      first.service.close()
      damage(/tcb-info/, change)
      const { service, notices } = start()
      await service.forQuote(quote)
      assert.equal(server.countOf('/sgx/certification/v4/tcb'), 2)
      assert.deepEqual(
        notices.filter(({ kind }) => kind === 'cache-file-dropped').map(({ document }) => document),
        [tcbName],
      )
      service.close()
    })
  }

  test('a directory that can’t be written leaves memory', async () => {
    const { service, notices } = start()
    rmSync(directory, { recursive: true })
    writeFileSync(directory, 'no directory')
    await service.forQuote(quote).catch(() => undefined)
    await service.forQuote(quote)
    assert.ok(notices.some(({ kind }) => kind === 'cache-unwritable' || kind === 'cache-file-dropped'))
    service.close()
  })

  test('documents are asked for again before they expire', async () => {
    const { service } = start({ refreshMs: 24 * 60 * 60_000 })
    await service.forQuote(quote)
    const newer = { issueDate: '2025-06-11T00:00:00Z', nextUpdate: '2025-07-11T00:00:00Z' }
    const crlDates = { thisUpdate: new Date(newer.issueDate), nextUpdate: new Date(newer.nextUpdate) }
    serveIntel(server, platform, { changes: newer, crlDates })
    await time.set('2025-06-10T12:00:00Z')
    assert.equal(server.requests.length, 4)
    await time.set('2025-06-11T00:00:01Z')
    await settled(() => service.stats().stored === 8)
    assert.equal(server.requests.length, 8)
    // After the end of the old ones, without a service.
    server.everything = { status: 503 }
    time.now = new Date('2025-07-05T00:00:00Z')
    await service.forQuote(quote)
    assert.equal(server.requests.length, 8)
    service.close()
  })

  test('a service that is down does not matter until the documents end', async () => {
    const { service, notices } = start()
    await service.forQuote(quote)
    await server.stop()
    try {
      await time.set('2025-06-11T00:00:01Z')
      await settled(() => notices.filter(({ kind }) => kind === 'fetch-failed').length === 4)
      await service.forQuote(quote)
      time.now = new Date('2025-07-01T00:00:01Z')
      const error = await unavailable(service.forQuote(quote))
      assert.equal(error.reason, 'unreachable')
      // Since the first refresh that failed, not only since now.
      assert.equal(error.since.toISOString(), '2025-06-11T00:00:01.000Z')
      assert.equal(error.attempts.length, 2)
      assert.match(error.message, /check that the service runs/)
    } finally {
      await server.restart()
    }
    const newer = { issueDate: '2025-06-30T00:00:00Z', nextUpdate: '2025-07-30T00:00:00Z' }
    const crlDates = { thisUpdate: new Date(newer.issueDate), nextUpdate: new Date(newer.nextUpdate) }
    serveIntel(server, platform, { changes: newer, crlDates })
    time.now = new Date('2025-07-01T00:01:00Z')
    await service.forQuote(quote)
    service.close()
  })

  test('yesterday’s documents never replace today’s', async () => {
    const { service, notices } = start()
    await service.forQuote(quote)
    const bundle = new TextDecoder().decode(service.exportBundle())
    serveIntel(server, platform, {
      changes: { issueDate: '2025-05-31T00:00:00Z' },
      crlDates: {
        thisUpdate: new Date('2025-05-31T00:00:00Z'),
        nextUpdate: new Date('2025-07-01T00:00:00Z'),
      },
    })
    const failures = await service.refresh()
    assert.deepEqual(
      failures.map(({ reason }) => reason),
      Array(4).fill('outdated'),
    )
    assert.equal(notices.filter(({ kind }) => kind === 'rejected').length, 4)
    assert.equal(new TextDecoder().decode(service.exportBundle()), bundle)
    // A lower tcbEvaluationDataNumber is older, whatever its date.
    serveIntel(server, platform, {
      changes: { tcbEvaluationDataNumber: 16, issueDate: '2025-06-09T00:00:00Z' },
    })
    assert.ok((await service.refresh()).some(({ document }) => document === tcbName))
    service.close()
    // Nor after a restart, when the one on disk has ended and the service has a longer-lived older one.
    serveIntel(server, platform, {
      changes: { tcbEvaluationDataNumber: 16, nextUpdate: '2025-08-01T00:00:00Z' },
      crlDates: {
        thisUpdate: new Date('2025-06-30T00:00:00Z'),
        nextUpdate: new Date('2025-08-01T00:00:00Z'),
      },
    })
    time.now = new Date('2025-07-02T00:00:00Z')
    const second = start()
    const error = await unavailable(second.service.forQuote(quote))
    assert.equal(error.reason, 'outdated')
    second.service.close()
  })

  test('a new list of the root revokes what is kept', async () => {
    const { service, notices } = start()
    await service.forQuote(quote)
    const list = platform.rootCrlWith([4], new Date('2025-06-02T00:00:00Z'))
    server.replies.set('/sgx/certification/v4/rootcacrl', { body: list })
    await service.refresh()
    assert.deepEqual(
      notices
        .filter(({ kind }) => kind === 'dropped')
        .map(({ document }) => document)
        .sort(),
      ['intel-qe-identity/SGX/standard', tcbName],
    )
    assert.equal((await unavailable(service.forQuote(quote))).reason, 'invalid')
    service.close()
  })

  test('platforms are bounded: in memory, on disk, and in how fast new ones are asked for', async () => {
    const { service } = start({
      limits: { platformDocuments: 3, newPlatformBurst: 6, newPlatformsPerMinute: 2 },
    })
    const ask = async (number: number): Promise<unknown> => {
      const fmspc = `00906ea1000${number.toString(16)}`
      serveIntel(server, platform, { fmspc })
      return service.forIntelPlatform({ tee: 'SGX', fmspc, ca: 'platform' })
    }
    for (let number = 0; number < 6; number++) await ask(number)
    assert.equal((await unavailable(ask(6))).reason, 'limit')
    // Known ones go on.
    await ask(5)
    const count = (): number => files().filter((file) => file.startsWith('intel-tcb-info')).length
    await settled(() => count() === 3)
    assert.deepEqual([service.stats().documents, service.stats().evictions], [6, 3])
    time.now = new Date('2025-06-10T00:01:00Z')
    await ask(6)
    await ask(7)
    assert.equal((await unavailable(ask(8))).reason, 'limit')
    service.close()
  })

  test('a bundle goes from a machine with a network to one without', async () => {
    const connected = start({ directory: undefined })
    await connected.service.forQuote(quote)
    const bundle = connected.service.exportBundle()
    connected.service.close()

    const offline = start({ intel: 'off', amd: 'off' })
    const before = await unavailable(offline.service.forQuote(quote))
    assert.equal(before.reason, 'offline')
    time.now = new Date('2025-06-10T00:01:00Z')
    const imported = await offline.service.importBundle(bundle)
    assert.deepEqual(
      imported.map(({ outcome }) => outcome),
      Array(4).fill('stored'),
    )
    await offline.service.forQuote(quote)
    const again = await offline.service.importBundle(bundle)
    assert.deepEqual(
      again.map(({ outcome }) => outcome),
      Array(4).fill('known'),
    )
    offline.service.close()
    assert.equal(files().length, 4)

    // The same file is collateral for the library.
    const verifier = intelVerifier({ crypto: nodeCrypto, anchors: platform.anchors })
    const { tcb } = await verifier.verifyQuote(quote, collateralFromFiles([bundle]), time.now)
    assert.equal(tcb.status, 'UpToDate')
  })

  test('a program that runs sees what another one imports into its directory', async () => {
    const connected = start({ directory: undefined })
    await connected.service.forQuote(quote)
    const old = connected.service.exportBundle()
    const newer = { issueDate: '2025-06-15T00:00:00Z', nextUpdate: '2025-07-15T00:00:00Z' }
    const crlDates = { thisUpdate: new Date(newer.issueDate), nextUpdate: new Date(newer.nextUpdate) }
    serveIntel(server, platform, { changes: newer, crlDates })
    time.now = new Date('2025-06-16T00:00:00Z')
    await connected.service.refresh()
    const fresh = connected.service.exportBundle()
    connected.service.close()

    time = new TestTime(TIME)
    const coordinator = start({ intel: 'off' })
    await coordinator.service.importBundle(old)
    await coordinator.service.forQuote(quote)
    time.now = new Date('2025-06-16T00:00:00Z')
    const command = start({ intel: 'off' })
    await command.service.importBundle(fresh)
    command.service.close()
    await time.set('2025-07-03T00:00:00Z')
    await coordinator.service.forQuote(quote)
    coordinator.service.close()
  })

  test('a bundle is not believed', async () => {
    const connected = start({ directory: undefined })
    await connected.service.forQuote(quote)
    const text = new TextDecoder().decode(connected.service.exportBundle())
    connected.service.close()
    const offline = start({ intel: 'off', amd: 'off' })
    const importText = (changed: string): Promise<readonly { outcome: string; name: string }[]> =>
      offline.service.importBundle(Buffer.from(changed))
    await assert.rejects(importText('{"format":"other","version":1,"documents":[]}'), EvidenceInvalid)
    await assert.rejects(importText(text.replace('"version":1', '"version":2')), /unknown version/)
    await assert.rejects(importText(text.slice(0, -10)), EvidenceInvalid)
    await assert.rejects(importText(text.replace('intel-root-ca-crl', '../../etc/passwd')), /unknown name/)
    const outcomes = await importText(forged(text))
    assert.deepEqual(
      outcomes.filter(({ outcome }) => outcome === 'refused').map(({ name }) => name),
      [tcbName],
    )
    const renamed = await importText(text.replaceAll(`/${FMSPC}/`, '/00606a000000/'))
    assert.equal(renamed.find(({ name }) => name.includes('00606a'))?.outcome, 'refused')
    const unknown = await importText(text.replace('intel-pck-crl/platform', 'intel-pck-crl/other'))
    assert.equal(unknown.find(({ name }) => name.endsWith('/other'))?.outcome, 'refused')
    offline.service.close()
  })

  test('after close nothing is asked for', async () => {
    const { service } = start()
    await service.forQuote(quote)
    service.close()
    await time.set('2025-06-20T00:00:00Z')
    time.now = new Date('2025-07-02T00:00:00Z')
    assert.equal((await unavailable(service.forQuote(quote))).reason, 'closed')
    assert.equal(server.requests.length, 4)
  })
})

/** The same file with a better verdict in its TCB info. */
function forged(text: string): string {
  return text.replace(/("name":"intel-tcb-info[^}]*"body":")([^"]*)/, (_all, head: string, body: string) => {
    const document = Buffer.from(body, 'base64').toString().replace('OutOfDate', 'UpToDate')
    return head + Buffer.from(document).toString('base64')
  })
}
