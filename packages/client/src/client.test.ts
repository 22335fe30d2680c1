import { X509Certificate, createHash } from 'node:crypto'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { makeCoordinatorPki } from '../../../tests/support/coordinator-pki.ts'
import { startFakeClientApi } from '../../../tests/support/fake-client-api.ts'
import type { FakeClientApi, FakeState } from '../../../tests/support/fake-client-api.ts'
import { parseAddress } from './address.ts'
import { parseCertificateChain } from './certificate-chain.ts'
import { CoordinatorClient } from './client.ts'
import { checkManifestSignature } from './manifest-signature.ts'
import { exchange } from './connection.ts'
import { ClientError, CoordinatorRefusal } from './errors.ts'
import { reportData, verifyCoordinator } from './verify.ts'
import type { CoordinatorPolicy } from './verify.ts'

const pki = makeCoordinatorPki()
const chain = parseCertificateChain(pki.intermediate + pki.root, 'the test')
const policy: CoordinatorPolicy = { package: { sgx: { uniqueId: 'ab'.repeat(32), debug: false } } }

const start = (state: Partial<FakeState> = {}): Promise<FakeClientApi> =>
  startFakeClientApi({ pki, log: [], secrets: {}, spoiled: new Map(), ...state })

const withCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof ClientError && error.code === code

const pinned = (api: FakeClientApi): CoordinatorClient =>
  new CoordinatorClient(parseAddress(api.host), { pinned: chain })

test('Node accepts the root CA certificate as the server certificate when it is pinned, on both curves', async () => {
  for (const each of [pki, makeCoordinatorPki('P-384')]) {
    await using api = await start({ pki: each })
    const trust = { pinned: parseCertificateChain(each.intermediate + each.root, 'the test') }
    const { code } = await new CoordinatorClient(parseAddress(api.host), trust).status()
    assert.equal(code, 2)
  }
})

test('a pinned connection refuses any other certificate before it sends anything', async () => {
  const other = makeCoordinatorPki()
  for (const shows of [
    { cert: other.root, key: other.rootKey }, // same names, another key
    { cert: pki.leaf, key: pki.leafKey }, // signed by the pinned root
  ]) {
    await using api = await start({ shows })
    await assert.rejects(pinned(api).status(), withCode('certificate_mismatch'))
    assert.deepEqual(api.requests, [])
  }
})

test('host names are not looked at: the pinned key is what is trusted', async () => {
  const elsewhere = makeCoordinatorPki('P-256', 'DNS:elsewhere.example')
  await using api = await start({ pki: elsewhere })
  const trust = { pinned: parseCertificateChain(elsewhere.root, 'the test') }
  assert.equal((await new CoordinatorClient(parseAddress(api.host), trust).status()).code, 2)
})

test('without --insecure, simulation and quotes that nobody can verify are refused', async () => {
  await using api = await start()
  const address = parseAddress(api.host)
  const appraisal = { insecure: false, policy, verifyQuote: undefined } as const
  await assert.rejects(verifyCoordinator(address, new Uint8Array(), appraisal), withCode('quote_missing'))
  api.state.quote = Buffer.from('quote')
  await assert.rejects(
    verifyCoordinator(address, new Uint8Array(), appraisal),
    withCode('attestation_unavailable'),
  )
})

test('the verifier gets the quote and the hash of root and nonce; its refusal stands', async () => {
  await using api = await start({ quote: Buffer.from('quote') })
  const nonce = Buffer.from([0xfb, 0xff, 0xfe, 0x01])
  const expected = createHash('sha256').update(new X509Certificate(pki.root).raw).update(nonce).digest()
  const seen: string[] = []
  const verified = await verifyCoordinator(parseAddress(api.host), nonce, {
    insecure: false,
    policy,
    verifyQuote: (quote, { reportData: data, policy: given }) => {
      seen.push(Buffer.from(quote).toString(), Buffer.from(data).toString('hex'))
      assert.equal(given, policy)
      return Promise.resolve()
    },
  })
  assert.equal(verified.assurance, 'attested')
  assert.deepEqual(seen, ['quote', expected.toString('hex')])
  assert.deepEqual(Buffer.from(reportData(chain.root, nonce)), expected)
  assert.equal(api.requests[0]?.url.search, '?nonce=-__-AQ%3D%3D')
  const refusing = {
    insecure: false,
    policy,
    verifyQuote: () => Promise.reject(new Error('forged')),
  } as const
  await assert.rejects(verifyCoordinator(parseAddress(api.host), nonce, refusing), /forged/)
})

test('a connection that does not show the root of its chain is refused, whatever the verifier says', async () => {
  await using api = await start({ quote: Buffer.from('quote'), shows: { cert: pki.leaf, key: pki.leafKey } })
  const appraisal = { insecure: false, policy, verifyQuote: () => Promise.resolve() } as const
  await assert.rejects(
    verifyCoordinator(parseAddress(api.host), new Uint8Array(), appraisal),
    withCode('certificate_mismatch'),
  )
})

test('an attested coordinator is talked to over its own root only', async () => {
  const api = await start({ quote: Buffer.from('quote') })
  const address = parseAddress(api.host)
  const appraisal = { insecure: false, policy, verifyQuote: () => Promise.resolve() } as const
  const verified = await verifyCoordinator(address, new Uint8Array(), appraisal)
  assert.equal((await verified.client().status()).code, 2)
  await api[Symbol.asyncDispose]()
  await assert.rejects(verified.client().status(), withCode('connection_failed'))
})

test('insecure says what it skipped', async () => {
  await using api = await start({ shows: { cert: pki.leaf, key: pki.leafKey } })
  const address = parseAddress(api.host)
  const simulated = await verifyCoordinator(address, new Uint8Array(), { insecure: true })
  assert.deepEqual([simulated.assurance, simulated.showsRoot], ['simulation', false])
  api.state.quote = Buffer.from('quote')
  assert.equal(
    (await verifyCoordinator(address, new Uint8Array(), { insecure: true })).assurance,
    'unverified',
  )
})

test('the manifest comes with a fingerprint and a signature that fit', async () => {
  const manifest = Buffer.from('{"Packages":{}}')
  await using api = await start({ manifest })
  const answer = await pinned(api).manifest()
  assert.deepEqual(Buffer.from(answer.manifest), manifest)
  checkManifestSignature(chain.root, answer)
  assert.throws(() => {
    checkManifestSignature(chain.root, { ...answer, manifest: Buffer.from('{}') })
  }, withCode('manifest_inauthentic'))
  const data = { manifest: 'e30=', manifestFingerprint: answer.fingerprint, manifestSignatureRootECDSA: '' }
  api.state.spoiled.set('/api/v2/manifest', {
    status: 200,
    body: JSON.stringify({ status: 'success', data }),
  })
  await assert.rejects(pinned(api).manifest(), withCode('manifest_inauthentic'))
})

test("a refusal carries the HTTP status and the Coordinator's message, without control characters", async () => {
  await using api = await start()
  const body = JSON.stringify({ status: 'error', data: null, message: 'two\nlines \u001b[31mred\u009b' })
  api.state.spoiled.set('/api/v2/status', { status: 500, body })
  await assert.rejects(pinned(api).status(), (error) => {
    assert.ok(error instanceof CoordinatorRefusal)
    assert.deepEqual([error.httpStatus, error.serverMessage], [500, 'two\nlines \ufffd[31mred\ufffd'])
    return true
  })
  await assert.rejects(
    pinned(api).secrets(['a']),
    (error) => error instanceof CoordinatorRefusal && error.httpStatus === 401,
  )
})

test('answers of another shape are refused, and no value of theirs is in the error', async () => {
  await using api = await start()
  const success = (data: unknown): string => JSON.stringify({ status: 'success', data })
  for (const body of [
    '<html>planted</html>',
    '',
    '[]',
    '{"status":"success"}',
    success(null),
    success([]),
    success({ code: '3', message: 'planted' }),
    success({ code: 3.5, message: 'planted' }),
    success({ code: 3, message: ['planted'] }),
  ]) {
    api.state.spoiled.set('/api/v2/status', { status: 200, body })
    await assert.rejects(pinned(api).status(), (error) => {
      assert.ok(withCode('answer_invalid')(error), `${body}: ${String(error)}`)
      assert.doesNotMatch(String(error), /planted/)
      return true
    })
  }
  api.state.spoiled.set('/api/v2/update', { status: 200, body: success({ updateLog: ['a', 1] }) })
  await assert.rejects(pinned(api).updateLog(), withCode('answer_invalid'))
  api.state.spoiled.set('/api/v2/quote', {
    status: 200,
    body: success({ cert: pki.root, quote: 'not base64' }),
  })
  await assert.rejects(pinned(api).evidence(new Uint8Array()), withCode('answer_invalid'))
})

test('an answer beyond the limit is cut off', async () => {
  await using api = await start()
  api.state.spoiled.set('/', { status: 200, body: ' '.repeat(1000) })
  const get = (limit: number): Promise<{ body: string }> =>
    exchange(parseAddress(api.host), { pinned: chain }, undefined, { method: 'GET', path: '/' }, limit)
  assert.equal((await get(1000)).body.length, 1000)
  await assert.rejects(get(999), withCode('answer_invalid'))
})

test('secrets come in the order asked for, each with every member checked', async () => {
  const record = {
    Type: 'symmetric-key',
    Size: 8,
    Shared: true,
    UserDefined: false,
    Cert: null,
    ValidFor: 0,
    Private: 'AQ==',
    Public: 'AQ==',
  }
  await using api = await start({
    user: pki.leaf,
    secrets: { a: record, 'odd name/+&=': record, bad: { ...record, Size: '8' } },
  })
  const client = new CoordinatorClient(
    parseAddress(api.host),
    { pinned: chain },
    { certificate: pki.leaf, privateKey: pki.leafKey },
  )
  const secrets = await client.secrets(['odd name/+&=', 'a'])
  assert.deepEqual([...secrets.keys()], ['odd name/+&=', 'a'])
  assert.deepEqual([...(secrets.get('a')?.privateKey ?? [])], [1])
  assert.equal(secrets.get('a')?.certificate, undefined)
  await assert.rejects(client.secrets(['bad']), withCode('answer_invalid'))
})
