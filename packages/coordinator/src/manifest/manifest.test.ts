import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { Refusal } from '../refusal.ts'
import {
  decodeManifest,
  isPackageUpdate,
  loadManifest,
  ManifestInvalid,
  parseManifest,
  type PreparedManifest,
  type Problem,
} from './index.ts'
import { manifestLimits } from './limits.ts'
import {
  firstCertificate,
  manifestWith,
  p256Key,
  rsa1024,
  rsa2048,
  secondCertificate,
  signerId,
  uniqueId,
} from './test-manifests.ts'

const ports = { now: () => new Date('2026-06-01T00:00:00Z') }

const bytesOf = (document: unknown): Uint8Array =>
  Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))

const accept = (document: unknown): PreparedManifest => parseManifest(bytesOf(document), ports)

function refuse(document: unknown): readonly Problem[] {
  try {
    accept(document)
  } catch (error) {
    assert.ok(error instanceof ManifestInvalid, String(error))
    assert.ok(error instanceof Refusal)
    assert.equal(error.code, 'manifest_invalid')
    return error.problems.filter(({ severity }) => severity === 'error')
  }
  assert.fail(`was accepted: ${JSON.stringify(document).slice(0, 200)}`)
}

const pathsOf = (problems: readonly Problem[]): string[] => problems.map(({ path }) => path)
const warningPaths = (document: unknown): string[] => pathsOf(accept(document).warnings)

test('keeps the bytes as they are, with their hash', () => {
  const raw = bytesOf(` ${JSON.stringify(manifestWith(), null, 3)}\r\n`)
  const prepared = parseManifest(raw, ports)
  assert.deepEqual(prepared.raw, raw)
  assert.equal(prepared.fingerprint, createHash('sha256').update(raw).digest('hex'))
  assert.deepEqual(prepared.warnings, [])
})

test('reports all problems at once, each with its place', () => {
  const document = `{
  "Packages": { "app": { "ProductID": "42" } },
  "Marbles": {
    "web": { "Package": "ap", "TLS": ["none"], "Parameters": { "Env": { "Ä": {"Data": "zz", "Encoding": "hex"} } } }
  },
  "Config": { "SealMode": "Unique" }
}`
  assert.deepEqual(
    refuse(document).map(({ path, line, column }) => [path, line, column]),
    [
      ['Packages.app.ProductID', 2, 39],
      ['Marbles.web.Package', 4, 25],
      ['Marbles.web.TLS[0]', 4, 39],
      ['Marbles.web.Parameters.Env.Ä.Data', 4, 87],
      ['Config.SealMode', 6, 27],
    ],
  )
})

test('the message names each problem, and what was meant', () => {
  const document = manifestWith({
    Marbles: { web: { Package: 'aap' }, job: { Package: 'app', MaxActivations: 1.5 } },
  })
  assert.throws(
    () => accept(document),
    (error) => {
      assert.ok(error instanceof ManifestInvalid)
      assert.match(error.message, /^the manifest is refused for 2 reasons:\n/)
      assert.match(
        error.message,
        /\nMarbles\.web\.Package \(line 1, column \d+\): no such package "aap" in "Packages" \(did you mean "app"\?\)/,
      )
      assert.match(
        error.message,
        /\nMarbles\.job\.MaxActivations \(.*\): must be a whole number .*, but is the number 1\.5/,
      )
      return true
    },
  )
})

test('a value of the wrong kind gives no follow-up problems', () => {
  assert.deepEqual(pathsOf(refuse(manifestWith({ Packages: [] }))), ['Packages'])
  assert.deepEqual(pathsOf(refuse(manifestWith({ Packages: { app: { UniqueID: 7 } } }))), [
    'Packages.app.UniqueID',
  ])
  assert.deepEqual(pathsOf(refuse('[]')), [''])
})

test('so many problems are counted, not listed', () => {
  const count = manifestLimits.problemsKept + 500
  const Secrets = Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, { Type: 'none' }]))
  assert.throws(
    () => accept(manifestWith({ Secrets })),
    (error) => {
      assert.ok(error instanceof ManifestInvalid)
      assert.equal(error.problems.length, manifestLimits.problemsKept)
      assert.match(error.message, new RegExp(`for ${count} reasons`))
      assert.equal(error.message.split('\n').length, 1 + manifestLimits.problemsShown + 1)
      assert.match(error.message, new RegExp(`and ${count - manifestLimits.problemsShown} more$`))
      return true
    },
  )
})

test('never shows data of files and variables', () => {
  for (const value of [
    { Data: 'hunter2', Encoding: 'hex' },
    { Data: 'hunter2', Encoding: 'base64' },
    'hunter2\0',
  ]) {
    assert.throws(
      () => accept(manifestWith({ Marbles: { web: { Package: 'app', Parameters: { Env: { A: value } } } } })),
      (error) =>
        error instanceof ManifestInvalid &&
        !JSON.stringify([error.message, error.problems]).includes('hunter2'),
    )
  }
})

test('member names match without case, with the folds that Go knows', () => {
  const { manifest } = accept(
    `{"pac\u212aages":{"app":{"uniqueid":"${uniqueId}"}},"MARBLES":{"web":{"package":"app","parameter\u017f":{"ARGV":["x"]}}}}`,
  )
  assert.equal(manifest.packages.get('app')?.sgx?.uniqueId, uniqueId)
  assert.deepEqual(manifest.marbles.get('web')?.argv, ['x'])
  // These fold to ASCII in Unicode's full case mapping, and not in the simple one that Go has.
  assert.deepEqual(warningPaths(manifestWith({ TLſ: {}, Conﬁg: {}, Infraßtructures: {} })), [
    'Conﬁg',
    'Infraßtructures',
  ])
})

test('members given twice: the later counts, objects are joined, map entries are replaced, null changes nothing', () => {
  const { manifest, warnings } = accept(`{
    "Packages": {"app": {"UniqueID": "${uniqueId}"}},
    "Marbles": {"web": {"Package": "none"}, "job": {"Package": "app", "MaxActivations": 1}},
    "marbles": {"web": {"Package": "app", "package": null, "Parameters": {"Argv": ["1"], "Env": {"A": "a"}}, "Parameters": {"Argv": ["2"], "Env": {"B": "b"}}}},
    "MARBLES": null
  }`)
  assert.deepEqual([...manifest.marbles.keys()], ['web', 'job'])
  const web = manifest.marbles.get('web')
  assert.equal(web?.package, 'app')
  assert.deepEqual(web.argv, ['2'])
  assert.deepEqual([...web.env.keys()], ['A', 'B'])
  assert.equal(manifest.marbles.get('job')?.maxActivations, 1)
  assert.deepEqual(pathsOf(warnings), ['Marbles', 'Marbles.web.Package', 'Marbles.web.Parameters', 'Marbles'])
  assert.match(warnings[1]?.message ?? '', /given as "Package" and as "package"/)
})

test('a map entry given twice is replaced as a whole', () => {
  const { manifest, warnings } = accept(
    `{"Packages":{"app":{"UniqueID":"${uniqueId}"}},"Marbles":{"web":{"Package":"app","MaxActivations":1},"web":{"Package":"app"}}}`,
  )
  assert.equal(manifest.marbles.get('web')?.maxActivations, 0)
  assert.deepEqual(pathsOf(warnings), ['Marbles.web'])
})

test('null is as good as absent, but an entry of a map is there', () => {
  assert.deepEqual(
    warningPaths(
      manifestWith({ Secrets: null, Config: { SealMode: null, FeatureGates: null }, TLS: { t: null } }),
    ),
    [],
  )
  const entries = {
    Marbles: { web: null },
    Secrets: { s: null },
    Users: { u: null },
    Roles: { r: null },
    RecoveryKeys: { k: null },
  }
  assert.deepEqual(pathsOf(refuse(manifestWith(entries))), [
    'Marbles.web.Package',
    'Secrets.s.Type',
    'Users.u.Certificate',
    'Roles.r.ResourceType',
    'RecoveryKeys.k',
  ])
})

test('unknown members are warned about, with what was probably meant', () => {
  const { warnings } = accept(
    manifestWith({
      $schema: 'x',
      Marbels: {},
      Packages: { app: { UniqueID: uniqueId, Debgu: true } },
      Marbles: { web: { Package: 'app', Comment: { Debug: 1 } } },
    }),
  )
  assert.deepEqual(
    warnings.map(({ path, severity, message }) => [path, severity, /mean "(.*)"/.exec(message)?.[1]]),
    [
      ['Packages.app.Debgu', 'warning', 'Debug'],
      ['Marbles.web.Comment', 'warning', undefined],
      ['Marbels', 'warning', 'Marbles'],
    ],
  )
})

test('paths quote names that are no plain words', () => {
  const env = { '': '\0', 'a.b': '\0', '/etc/x "y"': '\0', plain: '\0', ['n'.repeat(300)]: '\0' }
  const paths = pathsOf(
    refuse(manifestWith({ Marbles: { 'my web': { Package: 'app', Parameters: { Env: env } } } })),
  )
  const prefix = 'Marbles["my web"].Parameters.Env'
  assert.deepEqual(paths.slice(0, 4), [
    `${prefix}[""]`,
    `${prefix}["a.b"]`,
    `${prefix}["/etc/x \\"y\\""]`,
    `${prefix}.plain`,
  ])
  assert.match(paths[4] ?? '', /\(300 characters\)\]$/)
})

test('integers stay exact, and are taken in plain digits only', () => {
  const productId = (text: string) =>
    `{"Packages":{"app":{"SignerID":"${signerId}","ProductID":${text},"SecurityVersion":0}},"Marbles":{"web":{"Package":"app"}}}`
  assert.equal(
    accept(productId('18446744073709551615')).manifest.packages.get('app')?.sgx?.productId,
    2n ** 64n - 1n,
  )
  assert.equal(
    accept(productId('9007199254740993')).manifest.packages.get('app')?.sgx?.productId,
    9007199254740993n,
  )
  for (const text of [
    '18446744073709551616',
    '-1',
    '-0',
    '1.0',
    '1e2',
    '"1"',
    'true',
    '[1]',
    '1'.repeat(100_000),
  ]) {
    assert.deepEqual(pathsOf(refuse(productId(text))), ['Packages.app.ProductID'], text.slice(0, 30))
  }
})

test('files and variables: text, base64 with line breaks, hex; invalid ones name the member', () => {
  const { manifest } = accept(
    manifestWith({
      Marbles: {
        web: {
          Package: 'app',
          Parameters: {
            Files: {
              text: 'é',
              base64: { Data: 'AAE\nC\r\n', Encoding: 'BASE64' },
              hex: { data: '00fF', ENCODING: 'Hex', NoTemplates: true },
              empty: {},
            },
          },
        },
      },
    }),
  )
  const files = manifest.marbles.get('web')?.files
  assert.deepEqual(Buffer.from(files?.get('text')?.data ?? []).toString('hex'), 'c3a9')
  assert.deepEqual(files?.get('base64'), { data: Uint8Array.of(0, 1, 2), isTemplate: true })
  assert.deepEqual(files.get('hex'), { data: Uint8Array.of(0, 255), isTemplate: false })
  assert.equal(files.get('empty')?.data.length, 0)
  const path = 'Marbles.web.Parameters.Files.a'
  const withFile = (a: unknown) =>
    manifestWith({ Marbles: { web: { Package: 'app', Parameters: { Files: { a } } } } })
  assert.deepEqual(pathsOf(refuse(withFile({ Data: 'A', Encoding: 'base64' }))), [`${path}.Data`])
  assert.deepEqual(pathsOf(refuse(withFile({ Data: 'AA', Encoding: 'base64' }))), [`${path}.Data`])
  assert.deepEqual(pathsOf(refuse(withFile({ Data: '-_8=', Encoding: 'base64' }))), [`${path}.Data`])
  assert.deepEqual(pathsOf(refuse(withFile({ Data: 'abc', Encoding: 'hex' }))), [`${path}.Data`])
  assert.deepEqual(pathsOf(refuse(withFile({ Data: '', Encoding: 'utf-8' }))), [`${path}.Encoding`])
  assert.deepEqual(pathsOf(refuse(withFile(5))), [path])
})

test('bytes: base64 or numbers', () => {
  const { manifest } = accept(
    manifestWith({
      Infrastructures: {
        a: { CPUSVN: 'AAECAwQFBgcICQoLDA0ODw==' },
        b: { CPUSVN: [0, 255, null], RootCA: [] },
      },
    }),
  )
  assert.equal(manifest.infrastructures.get('a')?.intel?.cpuSvn?.length, 16)
  assert.deepEqual(manifest.infrastructures.get('b')?.intel?.cpuSvn, Uint8Array.of(0, 255, 0))
  assert.equal(manifest.infrastructures.get('b')?.intel?.rootCa, undefined)
  for (const CPUSVN of ['%', 'AA', [256], [-1], [1.5], ['1'], {}, 5]) {
    assert.match(
      pathsOf(refuse(manifestWith({ Infrastructures: { a: { CPUSVN } } })))[0] ?? '',
      /^Infrastructures\.a\.CPUSVN/,
    )
  }
})

test('packages: either the build, or signer, product and version', () => {
  const packages = (app: unknown) => manifestWith({ Packages: { app } })
  const signed = { SignerID: signerId.toUpperCase(), ProductID: 0, SecurityVersion: 0 }
  const policy = accept(packages(signed)).manifest.packages.get('app')?.sgx
  assert.deepEqual([policy?.signerId, policy?.productId, policy?.securityVersion], [signerId, 0n, 0])
  for (const wrong of [
    { ...signed, UniqueID: uniqueId },
    { ...signed, SignerID: '' },
    { SignerID: signerId, ProductID: 1 },
    { UniqueID: uniqueId, SecurityVersion: 1 },
    {},
  ]) {
    assert.deepEqual(pathsOf(refuse(packages(wrong))), ['Packages.app'])
    assert.deepEqual(warningPaths(packages({ ...wrong, Debug: true })), [
      'Packages.app',
      'Packages.app.Debug',
    ])
  }
})

test('packages: forms are checked, but only warned about where no marble uses them', () => {
  const faulty = {
    SignerID: 'c1',
    ProductID: 1,
    SecurityVersion: 1,
    AcceptedTCBStatuses: ['UpToDate', 'uptodate'],
  }
  assert.deepEqual(pathsOf(refuse(manifestWith({ Packages: { app: faulty } }))), [
    'Packages.app.SignerID',
    'Packages.app.AcceptedTCBStatuses[1]',
  ])
  const idle = manifestWith({ Packages: { app: { UniqueID: uniqueId }, idle: faulty } })
  assert.deepEqual(warningPaths(idle), ['Packages.idle.SignerID', 'Packages.idle.AcceptedTCBStatuses[1]'])
})

test('TLS tags', () => {
  const Secrets = {
    crt: { Type: 'cert-ecdsa', Size: 256, Shared: true },
    key: { Type: 'symmetric-key', Size: 128, Shared: true },
  }
  const tag = (t: unknown) =>
    manifestWith({ Secrets, TLS: { t }, Marbles: { web: { Package: 'app', TLS: ['t'] } } })
  const good = tag({
    Incoming: [{ Port: '8443' }, { Port: '1', Cert: 'crt', DisableClientAuth: true }],
    Outgoing: [{ Addr: '::1', Port: '65535' }],
  })
  const { manifest, marbles } = accept(good)
  assert.deepEqual(manifest.tls.get('t')?.incoming[1], { port: '1', cert: 'crt', disableClientAuth: true })
  assert.deepEqual(marbles.get('web')?.tlsSecrets, new Set(['crt']))
  const errors: [unknown, string][] = [
    [{ Incoming: [{}] }, 'TLS.t.Incoming[0].Port'],
    [{ Incoming: [{ Port: '0' }] }, 'TLS.t.Incoming[0].Port'],
    [{ Incoming: [{ Port: '65536' }] }, 'TLS.t.Incoming[0].Port'],
    [{ Incoming: [{ Port: '080' }] }, 'TLS.t.Incoming[0].Port'],
    [{ Incoming: [{ Port: 'https' }] }, 'TLS.t.Incoming[0].Port'],
    [{ Incoming: [{ Port: '1', DisableClientAuth: true }] }, 'TLS.t.Incoming[0].DisableClientAuth'],
    [{ Incoming: [{ Port: '1', Cert: 'crt' }] }, 'TLS.t.Incoming[0].Cert'],
    [{ Incoming: [{ Port: '1', Cert: 'none', DisableClientAuth: true }] }, 'TLS.t.Incoming[0].Cert'],
    [{ Incoming: [{ Port: '1', Cert: 'key', DisableClientAuth: true }] }, 'TLS.t.Incoming[0].Cert'],
    [{ Outgoing: [{ Port: '1' }] }, 'TLS.t.Outgoing[0].Addr'],
    [{ Outgoing: [{ Addr: 'a' }] }, 'TLS.t.Outgoing[0].Port'],
  ]
  for (const [entry, path] of errors)
    assert.deepEqual(pathsOf(refuse(tag(entry))), [path], JSON.stringify(entry))
})

test('users: certificates are compared by their DER', () => {
  const users = (Users: unknown) => manifestWith({ Users })
  const { manifest } = accept(
    users({
      a: { Certificate: `text\n${firstCertificate}${secondCertificate}` },
      b: { Certificate: secondCertificate },
    }),
  )
  assert.equal(manifest.users.size, 2)
  const sameInOtherText = firstCertificate.replaceAll('\n', '\r\n').replace('MIIBdz', 'MII\r\nBdz')
  assert.deepEqual(
    pathsOf(refuse(users({ a: { Certificate: firstCertificate }, b: { Certificate: sameInOtherText } }))),
    ['Users.b.Certificate'],
  )
  const { raw } = new X509Certificate(firstCertificate)
  const withMoreInside = `-----BEGIN CERTIFICATE-----\n${Buffer.concat([raw, Buffer.of(0)]).toString('base64')}\n-----END CERTIFICATE-----\n`
  for (const Certificate of ['', 'x', p256Key, firstCertificate.replace('MIIB', 'MIIC'), withMoreInside]) {
    assert.deepEqual(pathsOf(refuse(users({ a: { Certificate } }))), ['Users.a.Certificate'])
  }
  const oldLabel = users({
    a: { Certificate: firstCertificate.replaceAll('CERTIFICATE', 'X509 CERTIFICATE') },
  })
  assert.deepEqual(warningPaths(oldLabel), ['Users.a.Certificate'])
  assert.deepEqual(accept(oldLabel).manifest.users.get('a')?.certificate, Uint8Array.from(raw))
})

test('roles: resources exist, actions fit the type and the secret', () => {
  const Secrets = {
    shared: { Type: 'symmetric-key', Size: 128, Shared: true },
    own: { Type: 'symmetric-key', Size: 128 },
    mine: { Type: 'plain', UserDefined: true },
  }
  const role = (r: unknown) => manifestWith({ Secrets, Roles: { r } })
  const secrets = (ResourceNames: string[], ...Actions: string[]) =>
    role({ ResourceType: 'Secrets', ResourceNames, Actions })
  const { manifest } = accept(secrets(['shared', 'mine'], 'READSECRET'))
  assert.deepEqual(manifest.roles.get('r')?.actions, ['ReadSecret'])
  accept(secrets(['mine'], 'ReadSecret', 'writesecret'))
  accept(role({ ResourceType: 'Manifest', ResourceNames: [], Actions: ['UpdateManifest'] }))
  const errors: [unknown, string][] = [
    [role({}), 'Roles.r.ResourceType'],
    [role({ ResourceType: 'secrets' }), 'Roles.r.ResourceType'],
    [secrets(['none'], 'ReadSecret'), 'Roles.r.ResourceNames[0]'],
    [secrets(['mine', 'shared'], 'WriteSecret'), 'Roles.r.ResourceNames[1]'],
    [secrets(['own'], 'ReadSecret'), 'Roles.r.ResourceNames[0]'],
    [secrets(['shared'], 'UpdateManifest'), 'Roles.r.Actions[0]'],
    [
      role({ ResourceType: 'Manifest', ResourceNames: ['app'], Actions: ['UpdateManifest'] }),
      'Roles.r.ResourceNames',
    ],
    [role({ ResourceType: 'Packages', ResourceNames: ['none'] }), 'Roles.r.ResourceNames[0]'],
    [manifestWith({ Users: { u: { Certificate: firstCertificate, Roles: ['r'] } } }), 'Users.u.Roles[0]'],
  ]
  for (const [document, path] of errors) assert.deepEqual(pathsOf(refuse(document)), [path])
})

test('secrets: types, sizes, validity', () => {
  const secret = (s: unknown) => manifestWith({ Secrets: { s } })
  const errors: [unknown, string][] = [
    [{}, 'Secrets.s.Type'],
    [{ Type: 'Plain', UserDefined: true }, 'Secrets.s.Type'],
    [{ Type: 'plain' }, 'Secrets.s.UserDefined'],
    [{ Type: 'symmetric-key' }, 'Secrets.s.Size'],
    [{ Type: 'symmetric-key', Size: 12 }, 'Secrets.s.Size'],
    [{ Type: 'symmetric-key', Size: 65288 }, 'Secrets.s.Size'],
    [{ Type: 'cert-ecdsa' }, 'Secrets.s.Size'],
    [{ Type: 'cert-ecdsa', Size: 255 }, 'Secrets.s.Size'],
    [{ Type: 'cert-rsa', Size: 512 }, 'Secrets.s.Size'],
    [{ Type: 'cert-ed25519', Size: 256 }, 'Secrets.s.Size'],
    [
      { Type: 'cert-ecdsa', Size: 256, ValidFor: 3, Cert: { NotAfter: '2100-01-01T00:00:00Z' } },
      'Secrets.s.ValidFor',
    ],
    [{ Type: 'cert-ecdsa', Size: 256, Cert: { DNSNames: ['bücher.example'] } }, 'Secrets.s.Cert.DNSNames[0]'],
  ]
  for (const [definition, path] of errors) {
    assert.deepEqual(pathsOf(refuse(secret(definition))), [path], JSON.stringify(definition))
  }
  for (const definition of [
    { Type: 'symmetric-key', Size: 65280 },
    { Type: 'symmetric-key', Size: 65288, Shared: true },
    { Type: 'cert-rsa', UserDefined: true },
    { Type: 'cert-ed25519', Cert: { NotAfter: '0001-01-01T00:00:00Z' }, ValidFor: 3 },
  ]) {
    assert.deepEqual(warningPaths(secret(definition)), [], JSON.stringify(definition))
  }
  assert.deepEqual(warningPaths(secret({ Type: 'cert-rsa', Size: 1024 })), ['Secrets.s.Size'])
  const unfit = [
    { Type: 'symmetric-key', Size: 7, UserDefined: true },
    { Type: 'cert-ecdsa', Size: 999, UserDefined: true },
  ]
  for (const definition of unfit) assert.deepEqual(warningPaths(secret(definition)), ['Secrets.s.Size'])
  assert.deepEqual(warningPaths(secret({ Type: 'plain', UserDefined: true, Size: 5, ValidFor: 3 })), [
    'Secrets.s.Size',
    'Secrets.s.ValidFor',
  ])
})

test('configuration and recovery keys', () => {
  const Roles = { m: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] } }
  const Users = {
    u: { Certificate: firstCertificate, Roles: ['m', 'm'] },
    v: { Certificate: secondCertificate },
  }
  const config = (Config: unknown, RecoveryKeys: unknown = {}) =>
    manifestWith({ Roles, Users, Config, RecoveryKeys })
  const { manifest } = accept(
    config({
      FeatureGates: ['monotoniccounter', 'MonotonicCounter'],
      UpdateThreshold: 1,
      MinimumCurve: 'P-256',
    }),
  )
  assert.deepEqual(manifest.config, {
    sealMode: 'ProductKey',
    featureGates: new Set(['MonotonicCounter']),
    updateThreshold: 1,
    recoveryThreshold: 0,
    rotateRootSecret: false,
    minimumCurve: 'P-256',
    collateral: {
      maximumAge: undefined,
      gracePeriod: undefined,
      minimumTcbEvaluationDataNumber: undefined,
    },
  })
  accept(config({ RecoveryThreshold: 2 }, { a: rsa2048, b: `before\n${rsa2048}` }))
  assert.deepEqual(warningPaths(config({}, { a: rsa1024 })), ['RecoveryKeys.a'])
  // One key for two parties, in different text.
  const shared = { a: rsa2048, b: `b's key\n${rsa2048.replaceAll('\n', '\r\n')}` }
  assert.deepEqual(warningPaths(config({ RecoveryThreshold: 2 }, shared)), ['RecoveryKeys.b'])
  const errors: [unknown, string][] = [
    [config({ SealMode: 'uniquekey' }), 'Config.SealMode'],
    [config({ FeatureGates: ['MonotonicCounter', ''] }), 'Config.FeatureGates[1]'],
    [config({ FeatureGates: ['AzureHSMSealing'] }), 'Config.FeatureGates[0]'],
    [config({ UpdateThreshold: 2 }), 'Config.UpdateThreshold'],
    [config({ RecoveryThreshold: 1 }, { a: rsa2048 }), 'Config.RecoveryThreshold'],
    [config({ RecoveryThreshold: 2 }, { a: rsa2048 }), 'Config.RecoveryThreshold'],
    [config({ MinimumCurve: 'P-521' }), 'Config.MinimumCurve'],
    [config({}, { a: p256Key }), 'RecoveryKeys.a'],
    [config({}, { a: firstCertificate }), 'RecoveryKeys.a'],
    [config({}, { a: '' }), 'RecoveryKeys.a'],
  ]
  for (const [document, path] of errors) assert.deepEqual(pathsOf(refuse(document)), [path])
})

test('limits are refused by name', () => {
  const many = (count: number, entry: unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, entry]))
  assert.match(refuse(' '.repeat(manifestLimits.manifestBytes + 1))[0]?.message ?? '', /at most \d+/)
  assert.match(refuse('['.repeat(20_000_000))[0]?.message ?? '', /nested deeper/)
  assert.deepEqual(pathsOf(refuse(manifestWith({ RecoveryKeys: many(256, rsa2048) }))), ['RecoveryKeys'])
  assert.deepEqual(
    pathsOf(refuse(manifestWith({ Marbles: many(manifestLimits.marbles + 1, { Package: 'app' }) }))),
    ['Marbles'],
  )
})

test('package updates are told from full ones by what they hold', () => {
  const isUpdate = (document: unknown) => isPackageUpdate(decodeManifest(bytesOf(document)).source)
  assert.equal(isUpdate({}), true)
  assert.equal(
    isUpdate({ Packages: { app: { SecurityVersion: 4 } }, Config: { SealMode: 'none such' }, Extra: 1 }),
    true,
  )
  assert.equal(isUpdate({ packages: {}, Marbles: {}, Secrets: null, TLS: {} }), true)
  assert.equal(isUpdate({ Packages: {}, marbles: { web: {} } }), false)
  assert.equal(isUpdate({ RecoveryKeys: { a: '' } }), false)
  assert.throws(() => isUpdate({ Packages: { app: { SecurityVersion: '4' } } }), ManifestInvalid)
})

test('a manifest from the state is prepared like a new one', () => {
  const document = manifestWith({ Secrets: { s: { Type: 'cert-rsa', Size: 2048, Shared: true } } })
  const loaded = loadManifest(bytesOf(document))
  assert.deepEqual(loaded.manifest, accept(document).manifest)
})

const withTemplate = (value: unknown, Secrets: unknown = {}, kind = 'Env') =>
  manifestWith({ Secrets, Marbles: { web: { Package: 'app', Parameters: { [kind]: { a: value } } } } })

test('templates must parse, and render with stand-ins', () => {
  const Secrets = {
    key: { Type: 'symmetric-key', Size: 128, Shared: true },
    crt: { Type: 'cert-ecdsa', Size: 256 },
    up: { Type: 'cert-rsa', UserDefined: true },
    text: { Type: 'plain', UserDefined: true },
  }
  const good = [
    '{{ hex .Secrets.key }} {{ string .Secrets.text }} {{ pem .Secrets.crt.Cert }}{{ pem .Secrets.up.Private }}',
    '{{ hex (slice .Secrets.key.Private 0 16) }} {{ pem .MarbleRun.RootCA.Cert }} {{ hex .Previous.Secrets.key }}',
    { Data: '{{ broken', NoTemplates: true },
  ]
  for (const value of good)
    assert.deepEqual(warningPaths(withTemplate(value, Secrets)), [], JSON.stringify(value))
  const wrong = [
    '{{',
    '{{ nofunc 1 }}',
    '{{ raw .Secrets.key }}',
    '{{ hex .Secrets.none }}',
    '{{ pem .Secrets.key }}',
    '{{ pem .Secrets.key.Cert }}',
    '{{ string .Secrets.key }}',
    '{{ hex (slice .Secrets.key.Private 0 17) }}',
    '{{ .MarbleRun.Nothing }}',
    String.raw`{{ "\x00" }}`,
    { Data: 'e3s=', Encoding: 'base64' },
  ]
  for (const value of wrong) {
    assert.deepEqual(
      pathsOf(refuse(withTemplate(value, Secrets))),
      ['Marbles.web.Parameters.Env.a'],
      JSON.stringify(value),
    )
  }
  assert.deepEqual(pathsOf(refuse(withTemplate('{{ string .Secrets.text }}', Secrets, 'Files'))), [
    'Marbles.web.Parameters.Files.a',
  ])
  accept(withTemplate(String.raw`{{ "\x00" }} {{ raw .Secrets.key }}`, Secrets, 'Files'))
})

test('the message of a template says where in it', () => {
  const [problem] = refuse(withTemplate('line 1\n{{ hex .Secrets.none }}'))
  assert.match(problem?.message ?? '', /line 2, column \d+/)
})

test('names that no secret has are warned about', () => {
  const Secrets = { token: { Type: 'plain', UserDefined: true } }
  const { warnings } = accept(withTemplate('{{ .Secrets.tokn }}{{ .Previous.Secrets.old }}', Secrets))
  assert.deepEqual(pathsOf(warnings), ['Marbles.web.Parameters.Env.a', 'Marbles.web.Parameters.Env.a'])
  assert.match(warnings[0]?.message ?? '', /"tokn".*did you mean "token"/)
  const previous = accept(withTemplate('{{ string .Previous.Secrets.token }}', Secrets))
  assert.match(previous.warnings[0]?.message ?? '', /"\.Previous" has no value of "token"/)
})

test('a faulty secret definition is reported once, not again by the templates that name it', () => {
  const Secrets = { key: { Type: 'symmetric-key', Size: 7 }, other: { Type: 'symmetric-key', Size: 8 } }
  assert.deepEqual(pathsOf(refuse(withTemplate('{{ hex .Secrets.key }}', Secrets))), ['Secrets.key.Size'])
  assert.deepEqual(pathsOf(refuse(withTemplate('{{ range .Secrets }}{{ hex . }}{{ end }}', Secrets))), [
    'Secrets.key.Size',
  ])
  assert.deepEqual(pathsOf(refuse(withTemplate('{{ pem .Secrets.other }}', Secrets))), [
    'Marbles.web.Parameters.Env.a',
    'Secrets.key.Size',
  ])
})

test('templates are compiled once, with the secrets that the marble needs', () => {
  const { marbles } = accept(
    manifestWith({
      Secrets: {
        a: { Type: 'symmetric-key', Size: 128 },
        b: { Type: 'symmetric-key', Size: 128 },
        c: { Type: 'cert-ed25519' },
      },
      TLS: { t: { Incoming: [{ Port: '1', Cert: 'c', DisableClientAuth: true }] } },
      Marbles: {
        web: {
          Package: 'app',
          TLS: ['t'],
          Parameters: {
            Files: { x: '{{ hex .Secrets.a }}', y: 'plain', z: { Data: '{{', NoTemplates: true } },
          },
        },
        job: {
          Package: 'app',
          Parameters: { Files: { x: '{{ hex .Secrets.a }}' }, Env: { B: '{{ hex .Previous.Secrets.b }}' } },
        },
        all: {
          Package: 'app',
          Parameters: { Env: { A: '{{ len .Secrets }}{{ with . }}{{ hex .Secrets.b }}{{ end }}' } },
        },
      },
    }),
  )
  const web = marbles.get('web')
  const job = marbles.get('job')
  assert.deepEqual([...(web?.files.keys() ?? [])], ['x'])
  assert.equal(web?.files.get('x'), job?.files.get('x'))
  assert.deepEqual([...(web?.references.secrets ?? [])], ['a'])
  assert.deepEqual(web?.tlsSecrets, new Set(['c']))
  assert.deepEqual([...(job?.references.previousSecrets ?? [])], ['b'])
  assert.equal(marbles.get('all')?.references.secrets.has('b'), true)
})
