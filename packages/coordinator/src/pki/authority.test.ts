import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import { parseAuthorityNames } from './authority-names.ts'
import {
  authorityCurve,
  authorityNames,
  createAuthority,
  importIssuer,
  importRootKey,
  renewIntermediate,
} from './authority.ts'
import { curves } from './curve.ts'
import { pemEncode } from './pem.ts'

const now = new Date('2026-05-06T07:08:09.123Z')
const names = parseAuthorityNames('coord.example,10.9.8.7')
const pem = (certificate: Uint8Array): Uint8Array => Buffer.from(pemEncode('CERTIFICATE', certificate))

for (const curve of curves) {
  test(`${curve}: intermediate and marble root are siblings below the root`, async () => {
    const authority = await createAuthority(curve, names, now)
    const root = new X509Certificate(authority.rootCertificate)
    const intermediate = new X509Certificate(authority.intermediateCertificate)
    const marbleRoot = new X509Certificate(authority.marbleRootCertificate)
    assert.ok(root.verify(root.publicKey) && intermediate.verify(root.publicKey))
    assert.ok(marbleRoot.verify(intermediate.publicKey) && !marbleRoot.verify(root.publicKey))
    assert.equal(marbleRoot.subject, intermediate.subject)
    assert.ok(root.checkPrivateKey(importRootKey(authority)))
    assert.ok(intermediate.checkIssued(root) && intermediate.ca)
    assert.equal(
      root.publicKey.asymmetricKeyDetails?.namedCurve,
      curve === 'P-256' ? 'prime256v1' : 'secp384r1',
    )
    assert.equal(authorityCurve(authority), curve)
    assert.deepEqual(authorityNames(authority), names)
    assert.equal(root.validFrom, 'May  6 07:08:09 2026 GMT')
  })

  test(`${curve}: openssl verifies the chain`, { skip: skipWithoutOpenssl }, async () => {
    const { rootCertificate, intermediateCertificate } = await createAuthority(curve, names, new Date())
    const files = { root: pem(rootCertificate), intermediate: pem(intermediateCertificate) }
    assert.match(openssl(['verify', '-x509_strict', '-CAfile', 'root', 'intermediate'], files), /: OK/)
    const hash = curve === 'P-256' ? 'SHA256' : 'SHA384'
    assert.match(
      openssl(['x509', '-noout', '-text', '-in', 'intermediate'], files),
      new RegExp(`ecdsa-with-${hash}`),
    )
  })
}

test('a renewal replaces intermediate and marble root, and keeps root and names', async () => {
  const before = await createAuthority('P-256', names, now)
  const after = await renewIntermediate(before, authorityNames(before), now)
  assert.equal(after.rootCertificate, before.rootCertificate)
  assert.equal(after.rootKey, before.rootKey)
  const root = new X509Certificate(before.rootCertificate)
  const intermediate = new X509Certificate(after.intermediateCertificate)
  assert.ok(intermediate.verify(root.publicKey))
  assert.equal(intermediate.subjectAltName, root.subjectAltName)
  assert.notDeepEqual(intermediate.publicKey, new X509Certificate(before.intermediateCertificate).publicKey)
  assert.ok(importIssuer(after))
})

test('a key of another certificate does not pass as issuer', async () => {
  const one = await createAuthority('P-256', names, now)
  const other = await renewIntermediate(one, names, now)
  assert.throws(() => importIssuer({ ...one, intermediateKey: other.intermediateKey }), /not the key/)
})

test('reads names and addresses between commas', () => {
  const shown = (text: string | undefined): unknown[] => {
    const { dnsNames, ipAddresses } = parseAuthorityNames(text)
    return [dnsNames, ipAddresses.slice(2).map((octets) => octets.length)]
  }
  for (const text of [undefined, '', 'localhost']) assert.deepEqual(shown(text), [['localhost'], []])
  assert.deepEqual(shown('a, b,,192.0.2.1,*.c,2001:db8::5, 192.0.2.1'), [
    ['a', ' b', '', '*.c', ' 192.0.2.1'],
    [4, 16],
  ])
  assert.throws(() => parseAuthorityNames('a,bücher.example'), /"bücher\.example"/)
})
