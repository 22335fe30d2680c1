import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { type IncomingHttpHeaders } from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { freePort, get, TestCoordinator } from './support/coordinator.ts'
import { CoordinatorProcess } from './support/coordinator-process.ts'
import { type Family, parseExposition, sumOf } from './support/exposition.ts'
import {
  activate,
  call,
  clientIdentity,
  connectMesh,
  encodeActivation,
  frame,
  grpcCode,
  manifestWith,
  setManifest,
  textOf,
  tryActivation,
} from './support/mesh-client.ts'

/** The listener of EDG_COORDINATOR_PROMETHEUS_ADDR: docs/metrics.md, through a real Coordinator. */

interface PlainAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

function plain(
  port: number,
  target: string,
  options: http.RequestOptions = {},
  body = '',
): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path: target, agent: false, ...options },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

async function scrape(port: number): Promise<ReadonlyMap<string, Family>> {
  const { status, headers, text } = await plain(port, '/metrics')
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  return parseExposition(text)
}

async function startWithMetrics(): Promise<
  AsyncDisposable & { readonly coordinator: TestCoordinator; readonly metricsPort: number }
> {
  const metricsPort = await freePort()
  const coordinator = await TestCoordinator.start({
    env: { EDG_COORDINATOR_PROMETHEUS_ADDR: `127.0.0.1:${metricsPort}` },
  })
  return { coordinator, metricsPort, [Symbol.asyncDispose]: () => coordinator[Symbol.asyncDispose]() }
}

const uuid = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`

/** Activates each instance once, all over one connection. */
async function activateMany(port: number, marbleType: string, uuids: readonly string[]): Promise<void> {
  const identity = await clientIdentity()
  const session = await connectMesh(port, identity)
  try {
    for (const one of uuids) {
      const answer = await call(session, frame(encodeActivation({ marbleType, uuid: one }, identity)))
      assert.equal(answer.code, grpcCode.OK, answer.message)
    }
  } finally {
    session.destroy()
  }
}

test('what happens is counted, by names that dashboards know and by our own', async () => {
  await using started = await startWithMetrics()
  const { coordinator, metricsPort } = started
  const before = await scrape(metricsPort)
  assert.equal(sumOf(before, 'coordinator_state'), 2)
  assert.equal(sumOf(before, 'coordinator_version_info', { version: '0.1.0' }), 1)
  assert.equal(sumOf(before, 'taw_ledger_entries'), 0)
  assert.equal(sumOf(before, 'taw_ledger_bytes'), 0)
  assert.deepEqual(before.get('coordinator_marble_activations_total')?.samples, [])

  await setManifest(coordinator.clientPort, manifestWith({ Marbles: { web: { Package: 'pkg' } } }))
  await activateMany(coordinator.meshPort, 'web', [uuid(1), uuid(1), uuid(2)])
  const identity = await clientIdentity()
  const { code } = await tryActivation(coordinator.meshPort, identity, {
    marbleType: 'web',
    uuid: '"odd\\\n"',
  })
  assert.equal(code, grpcCode.INVALID_ARGUMENT)
  await get(coordinator.clientPort, '/api/v2/secrets?s=x')
  await get(coordinator.clientPort, '/no/such/path')

  const after = await scrape(metricsPort)
  assert.equal(sumOf(after, 'coordinator_state'), 3)
  const attempts = 'coordinator_marble_activations_total'
  assert.equal(sumOf(after, attempts, { type: 'web', uuid: uuid(1) }), 2)
  assert.equal(sumOf(after, attempts, { type: 'web', uuid: '"odd\\\n"' }), 1)
  assert.equal(sumOf(after, 'coordinator_marble_activations_success_total', { type: 'web' }), 3)
  assert.equal(sumOf(after, 'taw_activation_duration_seconds_count', { outcome: 'activated' }), 3)
  assert.equal(sumOf(after, 'taw_activation_duration_seconds_count', { outcome: 'refused' }), 1)
  assert.equal(sumOf(after, 'taw_refusals_total', { api: 'mesh', code: 'uuid_invalid' }), 1)
  assert.equal(sumOf(after, 'taw_refusals_total', { api: 'client', code: 'caller_unknown' }), 1)
  assert.equal(sumOf(after, 'server_client_api_http_request_total', { path: 'other', code: '405' }), 1)
  // The manifest and three activations.
  assert.equal(sumOf(after, 'taw_ledger_entries'), 4)
  assert.equal(sumOf(after, 'taw_ledger_commit_duration_seconds_count'), 4)
  assert.ok(sumOf(after, 'taw_ledger_bytes') > 4096)
  assert.equal(sumOf(after, 'taw_key_pool_pairs_wanted', { kind: 'P-256' }), 128)
  assert.ok(sumOf(after, 'process_resident_memory_bytes') > 10e6)
  assert.ok(sumOf(after, 'process_cpu_seconds_total') > sumOf(before, 'process_cpu_seconds_total'))
})

test('a call that can not be read is counted apart: it is no call of a method', async () => {
  await using started = await startWithMetrics()
  const { coordinator, metricsPort } = started
  const session = await connectMesh(coordinator.meshPort, await clientIdentity())
  await call(session, frame(Buffer.from('no protobuf')))
  await call(session, Buffer.alloc(0), { ':path': '/rpc.Marble/None' })
  session.destroy()
  const families = await scrape(metricsPort)
  assert.equal(sumOf(families, 'taw_mesh_unread_calls_total', { grpc_code: 'Internal' }), 1)
  assert.equal(sumOf(families, 'taw_mesh_unread_calls_total', { grpc_code: 'Unimplemented' }), 1)
  assert.equal(sumOf(families, 'grpc_server_started_total'), 0)
})

test('instances and types that callers make up leave the metrics small, and every total exact', async () => {
  await using started = await startWithMetrics()
  const { coordinator, metricsPort } = started
  await setManifest(coordinator.clientPort, manifestWith({ Marbles: { web: { Package: 'pkg' } } }))
  const uuids = Array.from({ length: 300 }, (_, index) => uuid(index))
  const identity = await clientIdentity()
  const session = await connectMesh(coordinator.meshPort, identity)
  const former = new Map<string, number>()
  const checkMonotonic = async (): Promise<ReadonlyMap<string, Family>> => {
    const families = await scrape(metricsPort)
    for (const { type, samples } of families.values()) {
      if (type !== 'counter') continue
      for (const { name, labels, value } of samples) {
        const series = JSON.stringify([name, labels])
        assert.ok(value >= (former.get(series) ?? 0), `${series} went down to ${value}`)
        former.set(series, value)
      }
    }
    return families
  }
  for (let start = 0; start < uuids.length; start += 100) {
    await activateMany(coordinator.meshPort, 'web', uuids.slice(start, start + 100))
    for (let index = start; index < start + 100; index++) {
      await call(session, frame(encodeActivation({ marbleType: `made-up-${index}` }, identity)))
    }
    await checkMonotonic()
  }
  await activateMany(coordinator.meshPort, 'web', uuids.slice(0, 3))
  session.destroy()

  const families = await checkMonotonic()
  const attempts = 'coordinator_marble_activations_total'
  assert.equal(sumOf(families, attempts), 603)
  assert.equal(sumOf(families, attempts, { type: 'web' }), 303)
  assert.equal(sumOf(families, 'coordinator_marble_activations_success_total', { type: 'web' }), 303)
  assert.equal(sumOf(families, attempts, { uuid: uuid(0) }), 2)
  assert.equal(sumOf(families, attempts, { type: 'web', uuid: 'other' }), 300 - 64)
  assert.equal(sumOf(families, attempts, { type: 'other', uuid: 'other' }), 300 - 16)
  // 64 instances, 16 failed ones, web/other and other/other.
  assert.equal(families.get(attempts)?.samples.length, 82)
  const { text } = await plain(metricsPort, '/metrics')
  assert.ok(Buffer.byteLength(text) < 50_000, `${Buffer.byteLength(text)} bytes`)
})

test('events are the newest activations with their quotes; nothing secret is in them or in the metrics', async () => {
  await using started = await startWithMetrics()
  const { coordinator, metricsPort } = started
  assert.equal((await plain(metricsPort, '/events')).text, 'null\n')
  const planted = 'planted-secret-0123456789'
  const manifest = manifestWith({
    Marbles: { web: { Package: 'pkg', Parameters: { Env: { KEY: `{{ hex .Secrets.key }} ${planted}` } } } },
    Secrets: { key: { Type: 'symmetric-key', Size: 128, Shared: true } },
  })
  await setManifest(coordinator.clientPort, manifest)
  const identity = await clientIdentity()
  const fields = { marbleType: 'web', uuid: uuid(7).toUpperCase(), quote: Buffer.from('quote') }
  const parameters = await activate(coordinator.meshPort, identity, fields)
  const [key = ''] = textOf(parameters.Env, 'KEY').split(' ')
  assert.match(key, /^[0-9a-f]{32}$/)

  const events = await plain(metricsPort, '/events')
  assert.equal(events.headers['content-type'], 'application/json')
  const [event, ...others] = JSON.parse(events.text) as { time: string; activation: unknown }[]
  assert.deepEqual(event?.activation, { marbleType: 'web', uuid: uuid(7).toUpperCase(), quote: 'cXVvdGU=' })
  assert.match(event.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.equal(others.length, 0)
  const shown = `${events.text}${(await plain(metricsPort, '/metrics')).text}`
  for (const secret of [planted, key]) assert.ok(!shown.includes(secret))
})

test('the listener takes GET and HEAD of two paths, and bounds what else comes', async () => {
  await using started = await startWithMetrics()
  const { metricsPort } = started
  const head = await plain(metricsPort, '/metrics', { method: 'HEAD' })
  assert.deepEqual([head.status, head.text], [200, ''])
  assert.ok(Number(head.headers['content-length']) > 1000)
  assert.equal((await plain(metricsPort, '/metrics?name%5B%5D=x')).status, 200)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const answer = await plain(metricsPort, '/events', { method }, 'a body')
    assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD'], method)
    assert.equal(answer.headers.connection, 'close')
  }
  for (const target of ['/', '/metrics/', '/debug/pprof', '//metrics', '/events/../metrics']) {
    assert.equal((await plain(metricsPort, target)).status, 404, target)
  }
  const long = await plain(metricsPort, '/metrics', { headers: { long: 'x'.repeat(9000) } })
  assert.equal(long.status, 431)
  const curl = promisify(execFile)
  const url = `http://127.0.0.1:${metricsPort}/metrics`
  const { stdout } = await curl('curl', ['--silent', '--fail', '--http1.1', url])
  // Nothing of the above but a HEAD, two GETs: this one is counted when it is answered.
  assert.equal(sumOf(parseExposition(stdout), 'promhttp_metric_handler_requests_total', { code: '200' }), 2)
})

test('there is no listener unless it is asked for', async () => {
  await using coordinator = await TestCoordinator.start()
  assert.match(coordinator.output, /"listening"/)
  assert.doesNotMatch(coordinator.output, /"metrics":/)
})

test('an address that can not be used ends the start, and says which', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-test-'))
  t.after(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(address !== null && typeof address === 'object')
  const cases: Record<string, RegExp> = {
    [`127.0.0.1:${address.port}`]:
      /EDG_COORDINATOR_PROMETHEUS_ADDR: can't listen on .*another process uses it/,
    localhost: /EDG_COORDINATOR_PROMETHEUS_ADDR is \\"localhost\\"/,
    ':99999': /EDG_COORDINATOR_PROMETHEUS_ADDR is \\":99999\\"; the port/,
  }
  for (const [text, message] of Object.entries(cases)) {
    const env = {
      OE_SIMULATION: '1',
      EDG_COORDINATOR_MESH_ADDR: '127.0.0.1:0',
      EDG_COORDINATOR_CLIENT_ADDR: '127.0.0.1:0',
      EDG_COORDINATOR_SEAL_DIR: path.join(folder, 'sealed'),
      EDG_COORDINATOR_PROMETHEUS_ADDR: text,
    }
    await using started = new CoordinatorProcess(env, folder, t.signal)
    assert.deepEqual(await started.ended, { exitCode: 1, signal: null }, text)
    assert.match(started.stderr, message)
  }
  taken.close()
})
