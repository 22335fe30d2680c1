import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import type { Parameters } from '@taw/protocol'
import { TestCoordinator } from '../support/coordinator.ts'
import {
  activate,
  clientIdentity,
  type ClientIdentity,
  grpcCode,
  manifestWith,
  postManifest,
  setManifest,
  textOf,
  tryActivation,
} from '../support/mesh-client.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'

/** golden/environment: what a marble gets from an activation, case by case, from a real Coordinator. */

interface TlsExpectation {
  readonly env: readonly string[]
  readonly MARBLE_TTLS_CONFIG?: unknown
  readonly memberOrder?: readonly string[]
  readonly compact?: boolean
}

interface TlsCase {
  readonly id: string
  readonly tags: Readonly<Record<string, unknown>>
  readonly marbleTLS?: readonly string[]
  readonly expect: TlsExpectation
}

interface TlsCases {
  readonly secrets: Readonly<Record<string, { readonly Type: string; readonly UserDefined?: boolean }>>
  readonly cases: readonly TlsCase[]
}

interface ParametersCase {
  readonly id: string
  readonly parameters: unknown
  readonly expect: {
    readonly argv: readonly string[] | null
    readonly files: Readonly<Record<string, string>>
    readonly env: Readonly<Record<string, '<set>' | { readonly hex: string }>>
  }
}

interface PemForm {
  readonly blocks: readonly { readonly label: string; readonly lineWidths: readonly number[] }[]
  readonly endsWithNewline: boolean
  readonly lineEnd: string
  readonly textBetweenBlocks: string
}

interface PemForms {
  readonly forms: Readonly<Record<string, PemForm>>
  readonly order: Readonly<Record<string, readonly string[]>>
}

/** Where ours differs on purpose: spec/quirks.md, "a TTLS entry whose secret is unset, or no certificate". */
const tlsDivergences: Readonly<Record<string, 'refused-at-activation' | 'refused-at-set'>> = {
  'ttls-own-cert-user': 'refused-at-activation',
  'ttls-own-cert-symmetric': 'refused-at-set',
  'own-unset': 'refused-at-activation',
  'own-symmetric': 'refused-at-set',
}

/** The same cases for clones without the recordings: one of each kind, and both divergences. */
const ownTlsCases: TlsCases = {
  secrets: {
    web: { Type: 'cert-ecdsa', ...{ Size: 256, Shared: true } },
    unset: { Type: 'cert-rsa', UserDefined: true },
    key: { Type: 'symmetric-key', ...{ Size: 128, Shared: true } },
  },
  cases: [
    {
      id: 'own-both',
      tags: {
        in: { Incoming: [{ Port: '1' }, { Port: '2', Cert: 'web', DisableClientAuth: true }] },
        out: { Outgoing: [{ Addr: '::1', Port: '3' }] },
      },
      marbleTLS: ['out', 'in'],
      expect: {
        env: [
          'MARBLE_PREDEFINED_COORDINATOR_ROOT_CA',
          'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN',
          'MARBLE_PREDEFINED_PRIVATE_KEY',
          'MARBLE_PREDEFINED_ROOT_CA',
          'MARBLE_TTLS_CONFIG',
          'OWN',
        ],
        MARBLE_TTLS_CONFIG: {
          tls: {
            Incoming: {
              '*:1': {
                cacrt: '<MARBLE_PREDEFINED_ROOT_CA>',
                clicrt: '<first certificate of the chain>',
                clientAuth: true,
                clikey: '<MARBLE_PREDEFINED_PRIVATE_KEY>',
              },
              '*:2': {
                cacrt: '<MARBLE_PREDEFINED_ROOT_CA>',
                clicrt: '<pem of secret web, Cert>',
                clientAuth: false,
                clikey: '<pem of secret web, Private>',
              },
            },
            Outgoing: {
              '::1:3': {
                cacrt: '<MARBLE_PREDEFINED_ROOT_CA>',
                clicrt: '<first certificate of the chain>',
                clikey: '<MARBLE_PREDEFINED_PRIVATE_KEY>',
              },
            },
          },
        },
        memberOrder: ['tls', 'Incoming', 'cacrt', 'clicrt', 'clientAuth', 'clikey', 'cacrt', 'clicrt'],
        compact: true,
      },
    },
    {
      id: 'own-unset',
      tags: { unset: { Incoming: [{ Port: '1', Cert: 'unset', DisableClientAuth: true }] } },
      marbleTLS: ['unset'],
      expect: { env: [] },
    },
    {
      id: 'own-symmetric',
      tags: { key: { Incoming: [{ Port: '1', Cert: 'key', DisableClientAuth: true }] } },
      marbleTLS: ['key'],
      expect: { env: [] },
    },
  ],
}

const predefined = {
  MARBLE_PREDEFINED_COORDINATOR_ROOT_CA: '<set>',
  MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN: '<set>',
  MARBLE_PREDEFINED_PRIVATE_KEY: '<set>',
  MARBLE_PREDEFINED_ROOT_CA: '<set>',
} as const

const ownParametersCases: readonly ParametersCase[] = [
  { id: 'own-nothing', parameters: {}, expect: { argv: null, files: {}, env: predefined } },
  {
    id: 'own-all-kinds',
    parameters: {
      Argv: ['a', '', '{{ x }}'],
      Files: { '/f': { Data: '00ff', Encoding: 'hex' }, rel: '{{ "x" }}' },
      Env: {
        B: { Data: 'aGk=', Encoding: 'base64' },
        N: { Data: '{{ no }}', NoTemplates: true },
        MARBLE_PREDEFINED_PRIVATE_KEY: 'mine',
        MARBLE_TTLS_CONFIG: 'mine',
      },
    },
    expect: {
      argv: ['a', '', '{{ x }}'],
      files: { '/f': '00ff', rel: '78' },
      env: {
        ...predefined,
        B: { hex: '6869' },
        N: { hex: '7b7b206e6f207d7d' },
        MARBLE_TTLS_CONFIG: { hex: '6d696e65' },
      },
    },
  },
]

const recordedTls =
  skipWithoutShared === false ? (readShared('golden/environment/ttls.json') as TlsCases) : undefined
const recordedParameters =
  skipWithoutShared === false ? (readShared('golden/environment/parameters.json') as ParametersCase[]) : []

const tlsSecrets = { ...ownTlsCases.secrets, ...recordedTls?.secrets }
const tlsCases = [...ownTlsCases.cases, ...(recordedTls?.cases ?? [])]
const parametersCases = [...ownParametersCases, ...recordedParameters]

let coordinator: TestCoordinator
let identity: ClientIdentity

before(async () => {
  identity = await clientIdentity('localhost,10.1.2.3')
  coordinator = await TestCoordinator.start()
})
after(() => coordinator[Symbol.asyncDispose]())

// Before the manifest that all other tests need.
for (const tlsCase of tlsCases.filter(({ id }) => tlsDivergences[id] === 'refused-at-set')) {
  test(`${tlsCase.id}: a TLS tag that names no certificate is refused at set time`, async () => {
    const answer = await postManifest(coordinator.clientPort, manifestFor([tlsCase], []))
    assert.equal(answer.status, 500)
    assert.match(answer.text, /TLS\b.*Incoming.*Cert/)
  })
}

suite('what marbles get', () => {
  const settable = tlsCases.filter(({ id }) => tlsDivergences[id] !== 'refused-at-set')
  let pemParameters: Parameters
  before(async () => {
    await setManifest(coordinator.clientPort, manifestFor(settable, parametersCases))
    pemParameters = await activate(coordinator.meshPort, identity, { marbleType: 'pem' })
  })

  for (const tlsCase of settable) {
    const { id, tags } = tlsCase
    test(id, async () => {
      if (tlsDivergences[id] === undefined) {
        checkTls(await activate(coordinator.meshPort, identity, { marbleType: id }), tlsCase)
        return
      }
      const { code, message } = await tryActivation(coordinator.meshPort, identity, { marbleType: id })
      assert.equal(code, grpcCode.INTERNAL)
      assert.match(message, /has no value yet/)
      for (const tag of Object.keys(tags)) assert.ok(message.includes(tagName(id, tag)), message)
    })
  }

  for (const { id, expect } of parametersCases) {
    test(id, async () => {
      const { Files, Env, Argv } = await activate(coordinator.meshPort, identity, { marbleType: id })
      assert.deepEqual(Argv, expect.argv ?? [])
      assert.deepEqual(hexOf(Files), expect.files)
      const env = hexOf(Env)
      assert.deepEqual(Object.keys(env).sort(), Object.keys(expect.env).sort())
      for (const [name, value] of Object.entries(expect.env)) {
        if (value === '<set>') assert.match(textOf(Env, name), /^-----BEGIN /, name)
        else assert.equal(env[name], value.hex, name)
      }
    })
  }

  const text = (name: string): string => textOf({ ...pemParameters.Env, ...pemParameters.Files }, name)

  test('PEM texts have the recorded form', { skip: skipWithoutShared }, () => {
    const { forms } = readShared('golden/environment/pem.json') as PemForms
    assert.ok(Object.keys(forms).length > 0)
    for (const [name, form] of Object.entries(forms)) {
      assert.deepEqual([form.lineEnd, form.endsWithNewline, form.textBetweenBlocks], ['LF', true, ''], name)
      checkPemForm(name, text(name), form.blocks)
    }
  })

  test('PEM texts have 64 columns, LF and a final newline, and nothing between blocks', () => {
    const block = (label: string) => ({ label, lineWidths: [64] })
    const certificate = block('CERTIFICATE')
    const key = block('PRIVATE KEY')
    for (const [name, blocks] of [
      ['MARBLE_PREDEFINED_ROOT_CA', [certificate]],
      ['MARBLE_PREDEFINED_COORDINATOR_ROOT_CA', [certificate]],
      ['MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN', [certificate, certificate]],
      ['MARBLE_PREDEFINED_PRIVATE_KEY', [key]],
      ['pem of a secret certificate, in Files', [certificate]],
      ['pem of an EC private key, in Files', [key]],
    ] as const) {
      checkPemForm(name, text(name), blocks)
    }
  })

  test('PEM texts hold the certificates that belong there, in their order', () => {
    const certificates = (name: string): X509Certificate[] =>
      pemBlocks(text(name)).map((block) => new X509Certificate(block))
    const [marble, intermediate] = certificates('MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN')
    const [marbleRoot] = certificates('MARBLE_PREDEFINED_ROOT_CA')
    const [root] = certificates('MARBLE_PREDEFINED_COORDINATOR_ROOT_CA')
    assert.ok(marble && intermediate && marbleRoot && root)
    assert.ok(marble.verify(marbleRoot.publicKey))
    assert.ok(intermediate.verify(root.publicKey))
    assert.ok(root.verify(root.publicKey) && marbleRoot.verify(marbleRoot.publicKey))
    assert.deepEqual(
      intermediate.publicKey.export({ format: 'jwk' }),
      marbleRoot.publicKey.export({ format: 'jwk' }),
    )
    assert.match(marble.subjectAltName ?? '', /DNS:localhost.*IP Address:10\.1\.2\.3/)
  })
})

const hexOf = (values: Readonly<Record<string, Uint8Array>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('hex')]),
  )

/** One marble type for each case; tags of one name would otherwise meet. */
function manifestFor(tls: readonly TlsCase[], parameters: readonly ParametersCase[]): string {
  const certificates = Object.entries(tlsSecrets).filter(
    ([, { Type, UserDefined }]) => Type.startsWith('cert-') && UserDefined !== true,
  )
  const files = Object.fromEntries(
    certificates.flatMap(([name]) =>
      ['Cert', 'Private'].map((part) => [`${name} ${part}`, `{{ pem .Secrets.${name}.${part} }}`]),
    ),
  )
  const tags = tls.flatMap(({ id, tags }) =>
    Object.entries(tags).map(([tag, value]) => [tagName(id, tag), value]),
  )
  const tlsMarbles = tls.map(({ id, marbleTLS }) => [
    id,
    {
      Package: 'pkg',
      Parameters: { Files: files, Env: { OWN: '1' } },
      ...(marbleTLS !== undefined && { TLS: marbleTLS.map((tag) => tagName(id, tag)) }),
    },
  ])
  const parametersMarbles = parameters.map(({ id, parameters }) => [
    id,
    { Package: 'pkg', Parameters: parameters },
  ])
  const pemFiles = {
    'pem of a secret certificate, in Files': '{{ pem .Secrets.web.Cert }}',
    'pem of an EC private key, in Files': '{{ pem .Secrets.web.Private }}',
  }
  return manifestWith({
    Secrets: tlsSecrets,
    TLS: Object.fromEntries(tags),
    Marbles: {
      ...Object.fromEntries([...tlsMarbles, ...parametersMarbles]),
      pem: { Package: 'pkg', Parameters: { Files: pemFiles } },
    },
  })
}

const tagName = (id: string, tag: string): string => `${id}/${tag}`

function checkTls({ Env, Files }: Parameters, { expect }: TlsCase): void {
  assert.deepEqual(Object.keys(Env).sort(), [...expect.env].sort())
  if (expect.MARBLE_TTLS_CONFIG === undefined) return
  const text = textOf(Env, 'MARBLE_TTLS_CONFIG')
  const variable = (name: string): [string, string] => [`<${name}>`, textOf(Env, name)]
  const meanings = new Map<string, string>([
    variable('MARBLE_PREDEFINED_ROOT_CA'),
    variable('MARBLE_PREDEFINED_PRIVATE_KEY'),
    [
      '<first certificate of the chain>',
      pemBlocks(textOf(Env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'))[0] ?? '',
    ],
    ...Object.keys(tlsSecrets).flatMap((name) =>
      ['Cert', 'Private'].flatMap((part): [string, string][] =>
        `${name} ${part}` in Files
          ? [[`<pem of secret ${name}, ${part}>`, textOf(Files, `${name} ${part}`)]]
          : [],
      ),
    ),
  ])
  const config: unknown = JSON.parse(text)
  assert.deepEqual(config, replaced(expect.MARBLE_TTLS_CONFIG, meanings))
  // Names of members in the order of the text; the recordings hold the first eight, without addresses.
  const names = [...text.matchAll(/"(\w+)":/g)].map(([, name]) => name)
  const { memberOrder } = expect
  if (memberOrder !== undefined) assert.deepEqual(names.slice(0, memberOrder.length), memberOrder)
  if (expect.compact === true) assert.equal(text, JSON.stringify(config))
}

/** The value with its placeholders replaced; one without a meaning is a mistake of the test. */
function replaced(value: unknown, meanings: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') {
    const meaning = meanings.get(value)
    assert.ok(meaning !== undefined && meaning !== '', `nothing is known of ${value}`)
    return meaning
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, replaced(member, meanings)]))
}

const pemBlocks = (text: string): string[] =>
  text.match(/-----BEGIN [A-Z ]+-----\n[\s\S]*?-----END [A-Z ]+-----\n/g) ?? []

function checkPemForm(name: string, text: string, blocks: PemForm['blocks']): void {
  const found = pemBlocks(text)
  assert.equal(found.join(''), text, `${name}: nothing before, between or after blocks, LF, final newline`)
  assert.equal(found.length, blocks.length, name)
  for (const [index, { label, lineWidths }] of blocks.entries()) {
    const lines = (found[index] ?? '').trimEnd().split('\n')
    assert.equal(lines.shift(), `-----BEGIN ${label}-----`, name)
    assert.equal(lines.pop(), `-----END ${label}-----`, name)
    const last = lines.pop() ?? ''
    assert.ok(last.length >= 1 && last.length <= 64, name)
    for (const line of lines) assert.ok(lineWidths.includes(line.length), `${name}: a line of ${line.length}`)
  }
}
