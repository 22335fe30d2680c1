import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { collateralFromFiles, intelVerifier } from '../packages/attestation/src/index.ts'
import { nodeCrypto } from '../packages/attestation/src/core/node.ts'
import { makeCliFolder } from './support/run-cli.ts'
import { VendorServer } from './support/vendor-server.ts'

// `taw collateral`, with a genuine quote and Intel's genuine documents of its time, served by a PCCS of ours.

const TIME = '2025-07-04T10:16:31Z'
const testdata = path.resolve(import.meta.dirname, '../packages/attestation/testdata/intel')
const FMSPC = 'b0c06f000000'

/** Loaded before the command, moves its clock. */
const CLOCK = `const shift = Date.parse('${TIME}') - Date.now(), Real = Date
globalThis.Date = class extends Real {
  constructor(...given) { if (given.length > 0) super(...given); else super(Real.now() + shift) }
  static now() { return Real.now() + shift }
}
`

function serveGenuine(server: VendorServer): void {
  const slots: unknown = JSON.parse(readFileSync(path.join(testdata, 'tdx-v4-collateral.json'), 'utf8'))
  assert.ok(typeof slots === 'object' && slots !== null)
  const members = new Map<string, unknown>(Object.entries(slots))
  const slot = (name: string): string => {
    const text = members.get(name)
    assert.ok(typeof text === 'string', name)
    return text
  }
  const document = (inner: string, name: string): string =>
    `{"${inner}":${slot(name)},"signature":"${slot(`${name}_signature`)}"}`
  const put = (where: string, header: string, chain: string, body: string): void => {
    server.replies.set(where, { headers: { [header]: encodeURIComponent(slot(chain)) }, body })
  }
  put(
    `/tdx/certification/v4/tcb?fmspc=${FMSPC}`,
    'TCB-Info-Issuer-Chain',
    'tcb_info_issuer_chain',
    document('tcbInfo', 'tcb_info'),
  )
  put(
    '/tdx/certification/v4/qe/identity',
    'SGX-Enclave-Identity-Issuer-Chain',
    'qe_identity_issuer_chain',
    document('enclaveIdentity', 'qe_identity'),
  )
  put(
    '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
    'SGX-PCK-CRL-Issuer-Chain',
    'pck_crl_issuer_chain',
    slot('pck_crl'),
  )
  server.replies.set('/sgx/certification/v4/rootcacrl', { body: slot('root_ca_crl') })
}

describe('taw collateral', () => {
  let server: VendorServer
  before(async () => {
    server = await VendorServer.start()
    serveGenuine(server)
  })
  after(() => server.stop())

  const prepare = (folder: ReturnType<typeof makeCliFolder>): Record<string, string> => {
    writeFileSync(folder.file('ca.pem'), server.ca)
    writeFileSync(folder.file('clock.mjs'), CLOCK)
    copyFileSync(path.join(testdata, 'tdx-v4-quote.bin'), folder.file('quote.bin'))
    return { HOME: folder.folder, NODE_OPTIONS: `--import ${folder.file('clock.mjs')}` }
  }
  const services = (): string[] => ['--pccs-url', server.url, '--service-ca', 'ca.pem']

  test('export, for a quote and for a kind of platform; import; verify', async () => {
    using home = makeCliFolder()
    const env = prepare(home)
    const exported = await home.taw(
      ['collateral', 'export', 'quote.bin', '-o', 'bundle.json', ...services()],
      env,
    )
    assert.equal(exported.code, 0, exported.stderr)
    assert.equal(exported.stdout, '')
    const byPlatform = await home.taw(
      ['collateral', 'export', FMSPC, '--tee', 'tdx', '-o', 'platform.json', ...services()],
      env,
    )
    assert.equal(byPlatform.code, 0, byPlatform.stderr)

    for (const file of ['bundle.json', 'platform.json']) {
      const collateral = collateralFromFiles([readFileSync(home.file(file))])
      const quote = readFileSync(home.file('quote.bin'))
      const claims = await intelVerifier({ crypto: nodeCrypto }).verifyQuote(
        quote,
        collateral,
        new Date(TIME),
      )
      assert.equal(claims.tcb.status, 'UpToDate')
    }

    const imported = await home.taw(['collateral', 'import', 'bundle.json', '--cache', 'cache'], env)
    assert.equal(imported.code, 0, imported.stderr)
    assert.match(imported.stdout, new RegExp(`^stored intel-tcb-info/TDX/${FMSPC}/standard$`, 'm'))
    assert.equal(readdirSync(home.file('cache')).length, 4)
  })

  test('what does not work says why', async () => {
    using home = makeCliFolder()
    const env = prepare(home)
    writeFileSync(home.file('nothing.bin'), 'nothing')
    const fails = async (args: readonly string[], expected: RegExp, extra = env): Promise<void> => {
      const { code, stderr } = await home.taw(['collateral', ...args], extra)
      assert.equal(code, 1)
      assert.match(stderr, expected)
    }
    await fails(['export', 'quote.bin', ...services()], /name the file to write with -o/)
    await fails(['export', 'quote.bin', '-o', 'b', '--pccs-url', server.url], /\(tls, since/)
    await fails(['export', 'nothing.bin', '-o', 'b', ...services()], /neither a quote of Intel nor/)
    await fails(['export', 'absent', '-o', 'b', ...services()], /neither a file nor an FMSPC/)
    await fails(['export', '00906ea10000', '-o', 'b', ...services()], /not-found/)
    await fails(['export', FMSPC, '--tee', 'sev', '-o', 'b', ...services()], /must be sgx, tdx/)
    await fails(['export', 'quote.bin', '-o', 'b', '--pccs-url', 'http://pccs'], /must start with https/)
    await fails(
      ['export', 'quote.bin', '-o', 'b', ...services(), '--tcb-update', 'soon'],
      /standard or early/,
    )
    assert.ok(!readdirSync(home.folder).includes('b'))
    await home.taw(['collateral', 'export', 'quote.bin', '-o', 'bundle.json', ...services()], env)
    await fails(['import', 'bundle.json'], /name the directory with --cache/)
    await fails(['import', 'quote.bin', '--cache', 'cache'], /collateral|UTF-8|JSON/)
    // By the true clock the documents have ended.
    await fails(['import', 'bundle.json', '--cache', 'cache'], /4 of 4 documents were refused/, {
      HOME: home.folder,
    })
    assert.deepEqual(readdirSync(home.file('cache')), [])
  })
})
