import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { build } from 'esbuild'

// The attestation package has to work in browsers: it is bundled as a web project would do it, and verifies genuine quotes in
// headless Chromium, with WebCrypto.

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) =>
  existsSync(file),
)
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
/** A browser on a busy machine. */
const TIMEOUT = 120_000

const testdata = path.join(import.meta.dirname, '../../packages/attestation/testdata/intel')
const encoded = (name: string): string => readFileSync(path.join(testdata, name)).toString('base64')

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(import.meta.dirname, 'attestation-page.ts')],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    write: false,
    logLevel: 'silent',
  })
  const [output] = outputFiles
  assert.ok(output)
  return output.text
}

const CASES = [
  {
    name: 'SGX v3',
    at: '2025-08-30T05:09:06Z',
    quote: 'sgx-v3-quote.bin',
    collateral: 'sgx-v3-collateral.json',
  },
  {
    name: 'TDX v4',
    at: '2025-07-04T10:16:31Z',
    quote: 'tdx-v4-quote.bin',
    collateral: 'tdx-v4-collateral.json',
  },
  {
    name: 'TDX v5',
    at: '2026-02-25T00:45:50Z',
    quote: 'tdx-v5-quote.bin',
    collateral: 'tdx-v5-collateral.json',
  },
  {
    name: 'expired',
    at: '2030-01-01T00:00:00Z',
    quote: 'tdx-v5-quote.bin',
    collateral: 'tdx-v5-collateral.json',
  },
].map((one) => ({ ...one, quote: encoded(one.quote), collateral: encoded(one.collateral) }))

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** Serves the page, runs the browser on it, and waits for what the page posts. */
async function runInBrowser(browser: string, script: string): Promise<unknown> {
  const profile = mkdtempSync(path.join(tmpdir(), 'taw-chromium-'))
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const server = createServer((request, response) => {
    const answers: Readonly<Record<string, readonly [type: string, body: string]>> = {
      '/': ['text/html', '<!doctype html><script type="module" src="/page.js"></script>'],
      '/page.js': ['text/javascript', script],
      '/cases': ['application/json', JSON.stringify(CASES)],
    }
    const [type, body] = answers[request.url ?? ''] ?? ['text/plain', '']
    if (request.method === 'POST') bodyOf(request).then(resolve, reject)
    response.writeHead(200, { 'content-type': type }).end(body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const url = `http://127.0.0.1:${address.port}/`
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, url], { stdio: 'ignore' })
  child.once('error', reject)
  const exited = new Promise<void>((resolved) =>
    child.once('exit', () => {
      resolved()
    }),
  )
  void exited.then(() => {
    reject(new Error('the browser ended before the page answered'))
  })
  try {
    return JSON.parse(await promise)
  } finally {
    child.kill()
    await exited
    server.closeAllConnections()
    server.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

suite('the attestation package for browsers', () => {
  test('bundles without any module of Node', async () => {
    const script = await bundle()
    assert.doesNotMatch(script, /node:/)
  })

  test(
    'verifies quotes in headless Chromium',
    {
      timeout: TIMEOUT,
      skip:
        CHROMIUM === undefined ? 'there is no Chromium on this machine (apt-get install chromium)' : false,
    },
    async () => {
      assert.ok(CHROMIUM)
      const results = await runInBrowser(CHROMIUM, await bundle())
      assert.deepEqual(results, [
        { name: 'SGX v3', status: 'SWHardeningNeeded' },
        { name: 'TDX v4', status: 'UpToDate' },
        { name: 'TDX v5', status: 'UpToDate' },
        {
          name: 'expired',
          error:
            'EvidenceInvalid: the revocation list of the root CA is not valid any more at the time of verification',
        },
      ])
    },
  )
})
