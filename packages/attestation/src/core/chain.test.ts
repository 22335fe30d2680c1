import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { authorityExtensions, buildCertificate, buildCrl } from '../../../../tests/support/x509-builder.ts'
import { keyUsage } from '../../../../packages/tee-kit/src/encoding/x509.ts'
import type { Extension } from '../../../../packages/tee-kit/src/encoding/x509.ts'
import { verifyChain } from './chain.ts'
import {
  parseRevocationList,
  requireNotRevoked,
  requireRevocationListValidAt,
  verifyRevocationListSignature,
} from './crl.ts'
import { EvidenceInvalid } from './errors.ts'
import { nodeCrypto } from './node.ts'
import { webCrypto } from './web.ts'
import { parseCertificate } from './x509.ts'
import type { Certificate } from './x509.ts'

const FROM = new Date('2025-01-01T00:00:00Z')
const UNTIL = new Date('2026-01-01T00:00:00Z')
const AT = new Date('2025-06-01T00:00:00Z')
const newKey = (): ReturnType<typeof generateKeyPairSync> =>
  generateKeyPairSync('ec', { namedCurve: 'P-384' })
const keys = { root: newKey(), ca: newKey(), leaf: newKey(), other: newKey() }
type Name = keyof typeof keys

interface Changes {
  readonly serial?: number
  readonly extensions?: readonly Extension[]
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Whose key signs, when it isn't the issuer's. */
  readonly signer?: Name
}

function certificate(subject: Name, issuer: Name, changes: Changes = {}): Certificate {
  const { signer = issuer, ...fields } = changes
  return parseCertificate(
    buildCertificate(
      {
        issuer,
        subject,
        notBefore: FROM,
        notAfter: UNTIL,
        publicKey: keys[subject].publicKey,
        extensions: subject === 'leaf' ? [] : authorityExtensions(),
        ...fields,
      },
      keys[signer].privateKey,
      'ecdsa-sha384',
    ),
  )
}

const root = certificate('root', 'root')
const ca = certificate('ca', 'root')
const leaf = certificate('leaf', 'ca')

const verify = (chain: readonly Certificate[], at = AT, crypto = nodeCrypto): Promise<unknown> =>
  verifyChain(crypto, chain, { check: 'test-chain', what: 'test chain', anchors: [root], at })

async function refused(pattern: RegExp, chain: readonly Certificate[], at = AT): Promise<void> {
  await assert.rejects(verify(chain, at), (error) => {
    assert.ok(error instanceof EvidenceInvalid)
    assert.equal(error.check, 'test-chain')
    assert.match(error.message, pattern)
    return true
  })
}

suite('certificate chains', () => {
  test('verify in any order after the leaf, with the root or without, at both ends of their validity', async () => {
    for (const chain of [[leaf, ca, root], [leaf, root, ca], [leaf, ca], [root]]) {
      for (const at of [AT, FROM, UNTIL]) await verify(chain, at)
      await verify(chain, AT, webCrypto)
    }
  })

  test('that are empty, incomplete, of another root, or with certificates beside the path are refused', async () => {
    await refused(/no certificate/, [])
    await refused(/does not lead to a trusted root/, [leaf])
    await refused(/is wrong/, [leaf, ca, certificate('root', 'root', { signer: 'other' })])
    await refused(/trusted root/, [certificate('other', 'other')])
    await refused(/not on the path/, [leaf, ca, root, certificate('other', 'root')])
    await refused(/too many/, [leaf, ca, root, root, root, root, root, root, root])
  })

  test('with a signature by another key are refused', async () => {
    await refused(/signature .* is wrong/, [certificate('leaf', 'ca', { signer: 'other' }), ca])
    await refused(/signature .* is wrong/, [leaf, certificate('ca', 'root', { signer: 'other' })])
  })

  test('with a certificate that is not valid at the time are refused', async () => {
    await refused(/not valid any more/, [leaf, ca], new Date(UNTIL.getTime() + 1000))
    await refused(/not valid yet/, [leaf, ca], new Date(FROM.getTime() - 1000))
    await refused(/valid/, [leaf, ca], new Date(Number.NaN))
    const expired = certificate('ca', 'root', { notAfter: new Date('2025-05-31T00:00:00Z') })
    await refused(/'ca' .* not valid any more/, [leaf, expired])
  })

  test('whose issuers may not issue are refused', async () => {
    const withCa = (extensions: readonly Extension[]): readonly Certificate[] => [
      leaf,
      certificate('ca', 'root', { extensions }),
    ]
    const [constraints] = authorityExtensions()
    assert.ok(constraints)
    await refused(/no certificate authority/, withCa([]))
    await refused(/no certificate authority/, withCa([keyUsage(0x06)]))
    await refused(/may not sign certificates/, withCa([constraints]))
    await refused(/may not sign certificates/, withCa([constraints, keyUsage(0x80)]))
    await refused(
      /critical extension/,
      withCa([...authorityExtensions(), { oid: '1.2.3', critical: true, value: Uint8Array.of(5, 0) }]),
    )
  })

  test('that are longer than an authority allows are refused', async () => {
    const narrow = certificate('ca', 'root', { extensions: authorityExtensions(0) })
    await verify([leaf, narrow])
    const middle = parseCertificate(
      buildCertificate(
        {
          issuer: 'ca',
          subject: 'other',
          notBefore: FROM,
          notAfter: UNTIL,
          publicKey: keys.other.publicKey,
          extensions: authorityExtensions(),
        },
        keys.ca.privateKey,
        'ecdsa-sha384',
      ),
    )
    const below = certificate('leaf', 'other')
    await verify([below, middle, ca])
    await refused(/more authorities below it/, [below, middle, narrow])
  })

  test('a certificate with any byte changed does not verify', async () => {
    for (let offset = 0; offset < leaf.raw.length; offset++) {
      const changed = new Uint8Array(leaf.raw)
      changed[offset] = (changed[offset] ?? 0) ^ 0x01
      await assert.rejects(
        async () => verify([parseCertificate(changed), ca]),
        EvidenceInvalid,
        `offset ${offset}`,
      )
    }
  })
})

suite('revocation lists', () => {
  const rules = { check: 'test-crl', what: 'test list' }
  const build = (changes: Partial<Parameters<typeof buildCrl>[0]> = {}, signer: Name = 'ca'): Uint8Array =>
    buildCrl(
      { issuer: 'ca', thisUpdate: FROM, nextUpdate: UNTIL, revokedSerials: [5, 300], ...changes },
      keys[signer].privateKey,
      'ecdsa-sha384',
    )

  test('are verified by their issuer, and name whom they revoke', async () => {
    const list = parseRevocationList(build())
    await verifyRevocationListSignature(nodeCrypto, list, ca, rules)
    for (const at of [FROM, AT, UNTIL]) requireRevocationListValidAt(list, at, rules)
    for (const at of [
      new Date(FROM.getTime() - 1000),
      new Date(UNTIL.getTime() + 1000),
      new Date(Number.NaN),
    ]) {
      assert.throws(() => {
        requireRevocationListValidAt(list, at, rules)
      }, EvidenceInvalid)
    }
    requireNotRevoked(list, leaf, rules)
    for (const serial of [5, 300]) {
      assert.throws(() => {
        requireNotRevoked(list, certificate('leaf', 'ca', { serial }), rules)
      }, /revoked/)
    }
    assert.throws(() => {
      requireNotRevoked(list, ca, rules)
    }, /different issuers/)
  })

  test('of another issuer, by another key, or by one that may not sign lists are refused', async () => {
    const check = (list: Uint8Array, issuer: Certificate): Promise<void> =>
      verifyRevocationListSignature(nodeCrypto, parseRevocationList(list), issuer, rules)
    await assert.rejects(check(build({ issuer: 'root' }), ca), /another issuer/)
    await assert.rejects(check(build({}, 'other'), ca), /signature is wrong/)
    const [constraints] = authorityExtensions()
    assert.ok(constraints)
    const noLists = certificate('ca', 'root', { extensions: [constraints, keyUsage(0x04)] })
    await assert.rejects(check(build(), noLists), /may not sign CRLs/)
  })

  test('that are empty, cut or something else are refused', () => {
    const list = build()
    for (let length = 0; length < list.length; length++) {
      assert.throws(() => parseRevocationList(list.subarray(0, length)), EvidenceInvalid)
    }
    assert.throws(() => parseRevocationList(leaf.raw), EvidenceInvalid)
    assert.equal(parseRevocationList(build({ revokedSerials: [] })).revoked.size, 0)
  })
})
