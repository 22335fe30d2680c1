import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { certificateSource } from './certificate-shape.ts'
import { ManifestInvalid, parseManifest } from './index.ts'
import { manifestShape } from './schema.ts'
import { manifestWith } from './test-manifests.ts'

const ports = { now: () => new Date('2026-06-01T00:00:00Z') }

/** Parses, and lets pass what may happen: a manifest, or a refusal that says where and why. */
function parseAnything(raw: Uint8Array): void {
  try {
    parseManifest(raw, ports)
  } catch (error) {
    if (!(error instanceof ManifestInvalid)) throw error
    assert.ok(error.problems.length > 0)
    for (const { line, column, message } of error.problems) {
      assert.ok(line >= 1 && column >= 1 && message.length > 0 && message.length < 2000)
    }
  }
}

test('any bytes are a manifest or a refusal', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), parseAnything), { numRuns: 500 })
})

/** Member names and texts that lead into every branch of the decoder. */
const names = [
  ...Object.keys(manifestShape.fields),
  ...[
    'UniqueID',
    'signerid',
    'ProductID',
    'SecurityVersion',
    'Debug',
    'AcceptedTCBStatuses',
    'CPUSVN',
    'RootCA',
  ],
  ...[
    'Package',
    'Parameters',
    'Files',
    'Env',
    'Argv',
    'TLS',
    'Data',
    'Encoding',
    'MaxActivations',
    'Incoming',
    'Outgoing',
  ],
  ...[
    'Port',
    'Addr',
    'Cert',
    'DisableClientAuth',
    'Type',
    'Size',
    'UserDefined',
    'ValidFor',
    'Shared',
    'Certificate',
  ],
  ...[
    'Roles',
    'ResourceType',
    'ResourceNames',
    'Actions',
    'SealMode',
    'FeatureGates',
    'UpdateThreshold',
    'a',
    'b',
    '__proto__',
  ],
  ...[
    'NotAfter',
    'URIs',
    'IPAddresses',
    'DNSNames',
    'ExtKeyUsage',
    'Subject',
    'ExtraNames',
    'Value',
    'ExtraExtensions',
    'Policies',
  ],
  ...[
    'PermittedIPRanges',
    'IP',
    'Mask',
    'KeyUsage',
    'IsCA',
    'MaxPathLen',
    'Host',
    'Path',
    'SerialNumber',
    'PublicKey',
  ],
]
const texts = [
  '',
  'a',
  'cert-rsa',
  'cert-ecdsa',
  'plain',
  'symmetric-key',
  'hex',
  'AAAA',
  '{{ hex .Secrets.a }}',
  'Secrets',
  'Manifest',
]
const numbers = [0, 1, -1, 1.5, 8, 256, 2048, 2 ** 53, 1e300]

const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 7, depthSize: 'large', withCrossShrink: true },
    fc.oneof(fc.constantFrom(null, true, false, ...texts, ...numbers), fc.string({ maxLength: 5 })),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 4 }),
  ),
}))

test('any document of known members is a manifest or a refusal', () => {
  const document = fc.dictionary(fc.constantFrom(...Object.keys(manifestShape.fields)), tree, { maxKeys: 5 })
  fc.assert(
    fc.property(document, (value) => {
      parseAnything(Buffer.from(JSON.stringify(value)))
    }),
    { numRuns: 1500 },
  )
})

test('any certificate template is accepted or refused', () => {
  const member = fc.constantFrom(...Object.keys(certificateSource.fields))
  const secret = (Cert: unknown) => manifestWith({ Secrets: { s: { Type: 'cert-ecdsa', Size: 256, Cert } } })
  fc.assert(
    fc.property(fc.dictionary(member, tree, { maxKeys: 2 }), (template) => {
      parseAnything(Buffer.from(JSON.stringify(secret(template))))
    }),
    { numRuns: 1500 },
  )
})

test('a good manifest with one byte changed is a manifest or a refusal', () => {
  const good = Buffer.from(
    JSON.stringify(
      manifestWith({
        Secrets: {
          s: {
            Type: 'cert-ecdsa',
            Size: 256,
            Shared: true,
            Cert: { IPAddresses: ['::1'], NotAfter: '2030-01-01T00:00:00Z' },
          },
        },
        TLS: { t: { Incoming: [{ Port: '443', Cert: 's', DisableClientAuth: true }] } },
        Roles: { r: { ResourceType: 'Secrets', ResourceNames: ['s'], Actions: ['ReadSecret'] } },
      }),
    ),
  )
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const changed = Buffer.from(good)
      changed[at] = byte
      parseAnything(changed)
    }),
    { numRuns: 1000 },
  )
})
