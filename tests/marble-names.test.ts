/** A marble that was taken over must not get a certificate in another one's name. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { get, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  clientIdentity,
  grpcCode,
  manifestWith,
  postManifest,
  setManifest,
  textOf,
  tryActivation,
} from './support/mesh-client.ts'
import { openssl, skipWithoutOpenssl } from './support/openssl.ts'

let coordinator: TestCoordinator

before(async () => {
  coordinator = await TestCoordinator.start()
  for (const entry of ['a..b', '10.0.0.0/33', '']) {
    const marbles = { web: { Package: 'pkg', AllowedNames: ['fine.example', entry] } }
    const { status, text } = await postManifest(coordinator.clientPort, manifestWith({ Marbles: marbles }))
    assert.notEqual(status, 200)
    assert.match(text, /Marbles\.web\.AllowedNames\[1\].*must be a DNS name/)
  }
  await setManifest(
    coordinator.clientPort,
    manifestWith({
      Marbles: {
        web: {
          Package: 'pkg',
          MaxActivations: 3,
          AllowedNames: ['web.example', '*.web.example', '10.0.0.0/8'],
        },
        lone: { Package: 'pkg', AllowedNames: [] },
        free: { Package: 'pkg' },
      },
    }),
  )
})
after(() => coordinator[Symbol.asyncDispose]())

async function certificateOf(marbleType: string, names: string): Promise<X509Certificate> {
  const { Env } = await activate(coordinator.meshPort, await clientIdentity(names), { marbleType })
  return new X509Certificate(textOf(Env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'))
}

suite('AllowedNames', () => {
  test('names that are not in it are refused, and cost no activation', async () => {
    for (const names of [
      'db.example',
      'web.example,db.example',
      '192.0.2.1',
      'a.b.web.example',
      'web.example.',
    ]) {
      const identity = await clientIdentity(names)
      const { code, message } = await tryActivation(coordinator.meshPort, identity, { marbleType: 'web' })
      assert.equal(code, grpcCode.PERMISSION_DENIED, names)
      assert.match(message, /AllowedNames/)
    }
    const { code } = await tryActivation(coordinator.meshPort, await clientIdentity('web.example'), {
      marbleType: 'lone',
    })
    assert.equal(code, grpcCode.PERMISSION_DENIED)
  })

  test('names that are in it are in the certificate, and those of its own machine always', async () => {
    const certificate = await certificateOf('web', 'web.example,A.web.example,10.1.2.3')
    assert.match(
      certificate.subjectAltName ?? '',
      /DNS:web\.example, DNS:A\.web\.example, .*IP Address:10\.1\.2\.3/,
    )
    assert.match(
      (await certificateOf('lone', 'localhost')).subjectAltName ?? '',
      /DNS:localhost, IP Address:127/,
    )
    assert.match((await certificateOf('free', 'db.example')).subjectAltName ?? '', /DNS:db\.example/)
  })

  test('its subject is the UUID alone, whatever the request says', { skip: skipWithoutOpenssl }, async () => {
    const identity = await clientIdentity()
    const args = [
      ...['req', '-new', '-key', 'key', '-subj', '/CN=db/OU=database/O=bank'],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign'],
    ]
    const pem = openssl(args, { key: Buffer.from(identity.key) })
    const csr = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')
    for (const [marbleType, unit] of [
      ['lone', undefined],
      ['free', 'database'],
    ] as const) {
      const { Env } = await activate(coordinator.meshPort, identity, { marbleType, csr })
      const certificate = new X509Certificate(textOf(Env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'))
      const subject = certificate.toLegacyObject().subject as unknown as Record<string, string>
      assert.match(subject['CN'] ?? '', /^[0-9a-f-]{36}$/)
      assert.equal(subject['OU'], unit)
      assert.equal(subject['O'], undefined)
      assert.equal(certificate.ca, false)
      assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    }
  })

  test('what was asked for is in the log', async () => {
    assert.match(coordinator.output, /"names":\["db\.example","127\.0\.0\.1"/)
    assert.equal((await get(coordinator.clientPort, '/api/v2/status')).status, 200)
  })
})
