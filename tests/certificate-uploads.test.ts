import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, test } from 'node:test'
import { get, type RestAnswer, TestCoordinator } from './support/coordinator.ts'
import {
  activate,
  type ClientIdentity,
  clientIdentity,
  manifestWith,
  setManifest,
  textOf,
} from './support/mesh-client.ts'

/** Certificates that users upload, of other kinds than the manifest says: who renews one may change its key's kind. */

let coordinator: TestCoordinator
let identity: ClientIdentity
before(async () => {
  coordinator = await TestCoordinator.start()
  // Its P-384 certificate is the user's, the marble's, and what is uploaded.
  identity = await clientIdentity('localhost', 'P-384')
  await setManifest(
    coordinator.clientPort,
    manifestWith({
      Secrets: {
        rsa: { Type: 'cert-rsa', Size: 2048, UserDefined: true },
        p256: { Type: 'cert-ecdsa', Size: 256, UserDefined: true },
        p384: { Type: 'cert-ecdsa', Size: 384, UserDefined: true },
      },
      Users: { u: { Certificate: identity.cert, Roles: ['r'] } },
      Roles: {
        r: {
          ResourceType: 'Secrets',
          ResourceNames: ['rsa', 'p256', 'p384'],
          Actions: ['ReadSecret', 'WriteSecret'],
        },
      },
      TLS: { t: { Incoming: [{ Port: '443', Cert: 'p256', DisableClientAuth: true }] } },
      Marbles: {
        web: {
          Package: 'pkg',
          TLS: ['t'],
          Parameters: { Env: { C: '{{ pem .Secrets.rsa.Cert }}', K: '{{ pem .Secrets.rsa.Private }}' } },
        },
      },
    }),
  )
})
after(() => coordinator[Symbol.asyncDispose]())

const upload = (secrets: Readonly<Record<string, unknown>>, path = '/api/v2/secrets'): Promise<RestAnswer> =>
  get(coordinator.clientPort, path, {
    method: 'POST',
    body: JSON.stringify(path === '/secrets' ? secrets : { secrets }),
    user: identity,
  })

const pemBody = (pem: string): string => pem.replace(/-----[^-]+-----|\n/g, '')

test('they are taken with a warning, given to marbles, and still there after a restart', async () => {
  const pair = { Cert: pemBody(identity.cert), Private: pemBody(identity.key) }
  for (const path of ['/api/v2/secrets', '/secrets']) {
    const answer = await upload({ rsa: pair, p256: pair, p384: pair }, path)
    assert.equal(answer.text, '{"status":"success","data":null}\n')
    const warnings = JSON.parse(String(answer.headers['taw-warnings'])) as string[]
    assert.deepEqual(
      warnings.map((warning) => /"(\w+)" has a key of the kind ECDSA on P-384/.exec(warning)?.[1]),
      ['rsa', 'p256'],
    )
  }
  const shown = await get(coordinator.clientPort, '/api/v2/secrets?s=rsa', { user: identity })
  assert.match(shown.text, /"Type":"cert-rsa","Size":2048/)

  await coordinator.restart()
  const { Env } = await activate(coordinator.meshPort, identity, { marbleType: 'web' })
  assert.equal(textOf(Env, 'C'), new X509Certificate(identity.cert).toString())
  assert.equal(textOf(Env, 'K'), identity.key)
  const ttls = JSON.parse(textOf(Env, 'MARBLE_TTLS_CONFIG')) as {
    tls: { Incoming: Readonly<Record<string, { clikey: string }>> }
  }
  assert.equal(ttls.tls.Incoming['*:443']?.clikey, identity.key)
})

test('a private key of another certificate is refused', async () => {
  const other = await clientIdentity('localhost', 'P-384')
  const answer = await upload({ p384: { Cert: pemBody(identity.cert), Private: pemBody(other.key) } })
  assert.equal(answer.status, 500)
  assert.match(answer.text, /Private does not belong to Cert/)
})
