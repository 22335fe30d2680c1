import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { cbor, RawCbor } from '../../../../packages/tee-kit/src/encoding/cbor.ts'
import { coseSign1 } from '../../../../packages/tee-kit/src/encoding/cose.ts'
import { p384Key } from '../../../../tests/support/tee-kit-amd-nitro.ts'
import type { CborItem } from '../../../../packages/tee-kit/src/encoding/cbor.ts'
import { concatBytes } from '../core/bytes.ts'
import { EvidenceInvalid, PolicyMismatch } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { webCrypto } from '../core/web.ts'
import { appraiseCca } from './appraise.ts'
import type { CcaPolicy } from './appraise.ts'
import { platformKeysFromJwk } from './keys.ts'
import { verifyCcaToken } from './verify.ts'

const platform = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const realm = p384Key()
const INSTANCE_ID = `01${'0a'.repeat(32)}`
const jwk = (key: KeyObject): string => JSON.stringify(key.export({ format: 'jwk' }))
const platformKeys = platformKeysFromJwk(jwk(platform.publicKey))

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

/** x and y of a key. */
function coordinates(key: KeyObject): readonly [Uint8Array, Uint8Array] {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return [Uint8Array.from(Buffer.from(x, 'base64url')), Uint8Array.from(Buffer.from(y, 'base64url'))]
}

const [x, y] = coordinates(realm.publicKey)
const coseKey = cbor(
  new Map<number, CborItem>([
    [1, 2],
    [-1, 2],
    [-2, x],
    [-3, y],
  ]),
)
const rawKey = concatBytes(Uint8Array.of(4), x, y)

interface TokenFields {
  readonly realmClaims?: ReadonlyMap<number, CborItem>
  readonly platformClaims?: ReadonlyMap<number, CborItem>
  readonly realmSigner?: KeyObject
  readonly platformSigner?: KeyObject
  readonly platformAlgorithm?: number
  readonly publicKey?: Uint8Array
  readonly tag?: readonly number[]
}

/** Tag 399 in CBOR. */
const TAG = [0xd9, 0x01, 0x8f]

function token(fields: TokenFields = {}): Uint8Array {
  const publicKey = fields.publicKey ?? coseKey
  const realmClaims = new Map<number, CborItem>([
    [265, 'tag:arm.com,2023:realm#1.0.0'],
    [10, bytes(64, 1)],
    [44235, bytes(64, 2)],
    [44238, bytes(32, 3)],
    [44239, [bytes(32, 4), bytes(32, 5), bytes(32, 6), bytes(32, 7)]],
    [44236, 'sha-256'],
    [44237, publicKey],
    [44240, 'sha-256'],
    ...(fields.realmClaims ?? []),
  ])
  const platformClaims = new Map<number, CborItem>([
    [265, 'tag:arm.com,2023:cca_platform#1.0.0'],
    [10, createHash('sha256').update(publicKey).digest()],
    [2396, bytes(32, 8)],
    [256, Uint8Array.from(Buffer.from(INSTANCE_ID, 'hex'))],
    [2401, bytes(4, 9)],
    [2395, 0x3003],
    [
      2399,
      [
        new Map<number, CborItem>([
          [1, 'RMM'],
          [2, bytes(32, 10)],
          [4, '1.0'],
          [5, bytes(32, 11)],
        ]),
      ],
    ],
    ...(fields.platformClaims ?? []),
  ])
  const half = (claims: Map<number, CborItem>, key: KeyObject, algorithm: number): Uint8Array =>
    concatBytes(Uint8Array.of(0xd2), cbor(coseSign1(cbor(claims), key, algorithm)))
  const collection = new Map<number, CborItem>([
    [
      44234,
      half(platformClaims, fields.platformSigner ?? platform.privateKey, fields.platformAlgorithm ?? -7),
    ],
    [44241, half(realmClaims, fields.realmSigner ?? realm.privateKey, -35)],
  ])
  return concatBytes(Uint8Array.from(fields.tag ?? TAG), cbor(collection))
}

const verify = (of: Uint8Array) => verifyCcaToken(of, { crypto: nodeCrypto, platformKeys })
const refuses = (of: Uint8Array, check: string) =>
  assert.rejects(verify(of), (error) => {
    assert.ok(error instanceof EvidenceInvalid, String(error))
    assert.equal(error.check, check)
    return true
  })

describe('a genuine token', () => {
  test('gives the claims of platform and realm', async () => {
    const claims = await verify(token())
    assert.equal(claims.lifecycleState, 'secured')
    assert.equal(claims.platform.instanceId, INSTANCE_ID)
    assert.equal(claims.platform.softwareComponents[0]?.type, 'RMM')
    assert.equal(claims.realm.initialMeasurement, '03'.repeat(32))
    assert.deepEqual(
      claims.checks.map(({ name }) => name),
      ['token-format', 'platform-key', 'platform-signature', 'key-binding', 'realm-signature'],
    )
    await verifyCcaToken(token(), { crypto: webCrypto, platformKeys })
  })

  test('with a bare point, without the tag, with other hashes, without a profile of the realm', async () => {
    await verify(token({ publicKey: rawKey }))
    await verify(token({ tag: [] }))
    for (const [name, algorithm] of [
      ['sha-384', 'sha384'],
      ['sha-512', 'sha512'],
    ] as const) {
      const challenge = createHash(algorithm).update(coseKey).digest()
      await verify(
        token({ realmClaims: new Map([[44240, name]]), platformClaims: new Map([[10, challenge]]) }),
      )
    }
    await verify(token({ realmClaims: new Map([[265, null]]) }))
  })

  test('whose key is one of several, for its instance', async () => {
    const others = platformKeysFromJwk(
      JSON.stringify({ keys: [JSON.parse(jwk(p384Key().publicKey)), JSON.parse(jwk(platform.publicKey))] }),
    )
    await verifyCcaToken(token(), { crypto: nodeCrypto, platformKeys: others })
    const [key] = platformKeys
    assert.ok(key)
    await verifyCcaToken(token(), { crypto: nodeCrypto, platformKeys: [{ ...key, instanceId: INSTANCE_ID }] })
    const elsewhere = [{ ...key, instanceId: `01${'00'.repeat(32)}` }]
    await assert.rejects(verifyCcaToken(token(), { crypto: nodeCrypto, platformKeys: elsewhere }), {
      check: 'platform-key',
    })
    await assert.rejects(verifyCcaToken(token(), { crypto: nodeCrypto, platformKeys: [] }), {
      check: 'platform-key',
    })
  })
})

describe('a token is refused', () => {
  test('when another key signed a half, or the algorithm is not that of the key', async () => {
    await refuses(token({ realmSigner: p384Key().privateKey }), 'realm-signature')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await refuses(token({ platformSigner: privateKey }), 'platform-signature')
    await refuses(
      token({ platformSigner: p384Key().privateKey, platformAlgorithm: -35 }),
      'platform-signature',
    )
  })

  test('when the platform names another realm', async () => {
    await refuses(token({ platformClaims: new Map([[10, bytes(32, 0)]]) }), 'key-binding')
    await refuses(token({ realmClaims: new Map([[44240, 'sha-512']]) }), 'key-binding')
    await refuses(token({ realmClaims: new Map([[44240, 'md5']]) }), 'key-binding')
  })

  test("when the realm's key is malformed", async () => {
    const keys = [
      cbor(
        new Map<number, CborItem>([
          [1, 3],
          [-1, 2],
          [-2, x],
          [-3, y],
        ]),
      ),
      cbor(
        new Map<number, CborItem>([
          [1, 2],
          [-1, 3],
          [-2, x],
          [-3, y],
        ]),
      ),
      cbor(
        new Map<number, CborItem>([
          [1, 2],
          [-1, 2],
          [-2, x],
        ]),
      ),
      cbor(
        new Map<number, CborItem>([
          [1, 2],
          [-1, 2],
          [-2, x.subarray(1)],
          [-3, y],
        ]),
      ),
      concatBytes(Uint8Array.of(4), x, x),
      rawKey.subarray(1),
    ]
    for (const publicKey of keys) await refuses(token({ publicKey }), 'realm-signature')
  })

  const malformed: readonly (readonly [string, TokenFields])[] = [
    ['has an unknown platform profile', { platformClaims: new Map([[265, 'other']]) }],
    ['has an unknown realm profile', { realmClaims: new Map([[265, 'other']]) }],
    ['has a short challenge', { realmClaims: new Map([[10, bytes(63, 1)]]) }],
    [
      'has three extensible measurements',
      { realmClaims: new Map([[44239, [bytes(32, 1), bytes(32, 1), bytes(32, 1)]]]) },
    ],
    ['has a measurement as text', { realmClaims: new Map([[44238, 'x']]) }],
    ['has a lifecycle as text', { platformClaims: new Map([[2395, 'secured']]) }],
    ['has components as a map', { platformClaims: new Map([[2399, new Map()]]) }],
    ['has an instance id of 32 bytes', { platformClaims: new Map([[256, bytes(32, 1)]]) }],
    ['has another tag', { tag: [0xd9, 0x01, 0x90] }],
    [
      'has an indefinite claim',
      { platformClaims: new Map([[2399, new RawCbor(Uint8Array.of(0x9f, 0xff))]]) },
    ],
  ]
  for (const [what, fields] of malformed)
    test(`when it ${what}`, () => refuses(token(fields), 'token-format'))

  test('when it is cut short, too long, or not there', async () => {
    await refuses(token().subarray(0, -1), 'token-format')
    await refuses(concatBytes(token(), Uint8Array.of(0)), 'token-format')
    await refuses(new Uint8Array(0), 'token-format')
    await refuses(new Uint8Array(70_000), 'token-format')
  })
})

test('platform keys of other kinds are refused', () => {
  for (const text of [
    '',
    '1',
    '{}',
    '{"kty":"RSA"}',
    '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
    '{"keys":1}',
  ]) {
    assert.throws(() => platformKeysFromJwk(text), { check: 'platform-key' }, text)
  }
})

describe('appraisal', () => {
  const mismatch = (check: string) => (error: unknown) =>
    error instanceof PolicyMismatch && error.check === check

  test('compares platform and realm', async () => {
    const claims = await verify(token())
    const policy: CcaPolicy = {
      implementationIds: ['08'.repeat(32)],
      instanceIds: [INSTANCE_ID],
      platformConfigs: ['09'.repeat(4)],
      softwareComponents: { RMM: ['0a'.repeat(32)] },
      initialMeasurements: ['03'.repeat(32)],
      extensibleMeasurements: { '3': ['07'.repeat(32)] },
      personalizationValues: ['02'.repeat(64)],
      challenges: ['01'.repeat(64)],
    }
    assert.equal(appraiseCca(claims, policy).length, 9)
    const wrong: readonly (readonly [string, CcaPolicy])[] = [
      ['implementation-id', { implementationIds: ['00'] }],
      ['instance-id', { instanceIds: ['00'] }],
      ['platform-config', { platformConfigs: ['00'] }],
      ['software-component', { softwareComponents: { RMM: ['00'] } }],
      ['software-component', { softwareComponents: {} }],
      ['initial-measurement', { initialMeasurements: ['00'] }],
      ['extensible-measurement-0', { extensibleMeasurements: { '0': ['00'] } }],
      ['extensible-measurement-4', { extensibleMeasurements: { '4': ['00'] } }],
      ['personalization-value', { personalizationValues: ['00'] }],
      ['challenge', { challenges: ['00'] }],
    ]
    for (const [check, one] of wrong) assert.throws(() => appraiseCca(claims, one), mismatch(check), check)
  })

  test('refuses platforms that are not secured, unless the policy names their state', async () => {
    for (const [lifecycle, state] of [
      [0, 'unknown'],
      [0x4001, 'non-cca-platform-debug'],
      [0x7000, 'reserved'],
      [-1, 'reserved'],
    ] as const) {
      const claims = await verify(token({ platformClaims: new Map([[2395, lifecycle]]) }))
      assert.equal(claims.lifecycleState, state)
      assert.throws(() => appraiseCca(claims, {}), mismatch('lifecycle'))
      appraiseCca(claims, { lifecycleStates: [state] })
    }
  })
})
