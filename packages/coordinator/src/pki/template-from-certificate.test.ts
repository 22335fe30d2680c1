import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import type { CertificateTemplate, SecretDefinition } from '../manifest/model.ts'
import { parseAuthorityNames } from './authority-names.ts'
import { createAuthority, importIssuer } from './authority.ts'
import { readCertificate } from './certificate-reader.ts'
import { issueCertificate } from './certificate.ts'
import { DerError } from './der-reader.ts'
import { emptyTemplate } from './empty-template.ts'
import { basicConstraints } from './extensions.ts'
import { generateKeyPair } from './key-pair.ts'
import { checkCertificateTemplate, issueSecretCertificate } from './secret-certificate.ts'
import { templateFromCertificate } from './template-from-certificate.ts'
import { unlimitedValidity } from './time.ts'

const now = new Date('2026-05-06T07:08:09Z')

const secret = (certificate: CertificateTemplate | undefined): SecretDefinition => ({
  type: 'cert-ecdsa',
  size: 256,
  shared: true,
  userDefined: false,
  validFor: 0,
  certificate,
})

/** Everything that a template can say. */
const everything: CertificateTemplate = {
  ...emptyTemplate,
  subject: { ...emptyTemplate.subject, commonName: 'größe', organization: ['b', 'a'], serialNumber: '1' },
  notAfter: { epochSeconds: Date.parse('2090-01-02T03:04:05Z') / 1000 },
  keyUsage: 0x1a1,
  extKeyUsage: [3, 8, 1],
  unknownExtKeyUsage: [[1n, 3n, 6n, 1n, 4n, 1n, 99999n]],
  isCa: true,
  maxPathLen: 0,
  maxPathLenZero: true,
  subjectKeyId: Uint8Array.of(1, 2, 3),
  dnsNames: ['a.example', '*.b'],
  emailAddresses: ['a@b'],
  ipAddresses: [Uint8Array.of(10, 0, 0, 1), new Uint8Array(16)],
  uris: ['spiffe://td/x'],
  permittedDnsDomainsCritical: true,
  permittedDnsDomains: ['.example'],
  excludedDnsDomains: ['x.example'],
  permittedIpRanges: [{ ip: Uint8Array.of(10, 1, 2, 3), mask: Uint8Array.of(255, 0, 0, 0) }],
  excludedIpRanges: [{ ip: new Uint8Array(16).fill(9), mask: new Uint8Array(16).fill(255, 0, 4) }],
  permittedEmailAddresses: ['p@example.org'],
  excludedEmailAddresses: ['.x'],
  permittedUriDomains: ['u'],
  excludedUriDomains: ['.v'],
  ocspServer: ['http://ocsp'],
  issuingCertificateUrl: ['http://ca', 'http://ca2'],
  crlDistributionPoints: ['http://crl', 'ldap://ü'],
  policies: ['1.2.3', '2.999.123456789012345678901234567890'],
  signatureAlgorithm: 11,
}

test('a certificate made from a certificate says the same', async () => {
  const issuer = importIssuer(await createAuthority('P-256', parseAuthorityNames('localhost'), now))
  const { publicKey } = await generateKeyPair('P-256')
  for (const template of [
    undefined,
    everything,
    { ...emptyTemplate, dnsNames: [], ipAddresses: [], extKeyUsage: [3] },
  ]) {
    const first = await issueSecretCertificate(issuer, secret(template), publicKey, now)
    const again = secret(templateFromCertificate(first))
    assert.deepEqual(checkCertificateTemplate(again, now), [])
    const second = await issueSecretCertificate(issuer, again, publicKey, now)
    const { extensions: one, ...head } = readCertificate(first)
    const { extensions: two, ...otherHead } = readCertificate(second)
    assert.deepEqual(otherHead, head)
    // Names that a certificate lacks come by default, as for any template.
    if (template?.dnsNames?.length !== 0) assert.deepEqual(two, one)
  }
})

test('takes over what openssl writes', { skip: skipWithoutOpenssl }, () => {
  const pem = openssl(
    [
      'req',
      '-x509',
      '-nodes',
      '-keyout',
      '/dev/null',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-384',
    ].concat(
      '-sha512',
      '-subj',
      '/CN=x',
      '-addext',
      'subjectAltName=DNS:a.example',
      '-addext',
      'keyUsage=cRLSign',
    ),
    {},
  )
  const template = templateFromCertificate(Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64'))
  assert.equal(template.signatureAlgorithm, 12)
  assert.equal(template.keyUsage, 64)
  assert.deepEqual(template.dnsNames, ['a.example'])
  assert.equal(template.isCa, true)
  assert.equal(template.maxPathLen, -1)
  assert.equal(template.subjectKeyId?.length, 20)
})

test(
  'an algorithm that ECDSA can not make is a problem of the template',
  { skip: skipWithoutOpenssl },
  () => {
    const pem = openssl(
      ['req', '-x509', '-nodes', '-keyout', '/dev/null', '-newkey', 'rsa:2048', '-subj', '/CN=x'],
      {},
    )
    const template = templateFromCertificate(Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64'))
    assert.deepEqual(
      checkCertificateTemplate(secret(template), now).map(({ path }) => path),
      [['Cert', 'SignatureAlgorithm']],
    )
  },
)

test('refuses what is no certificate', async () => {
  const { rootCertificate } = await createAuthority('P-256', parseAuthorityNames('localhost'), now)
  assert.equal(templateFromCertificate(rootCertificate).isCa, true)
  const { publicKey } = await generateKeyPair('P-256')
  for (const der of [
    new Uint8Array(),
    Uint8Array.of(0, 0, 0),
    publicKey,
    rootCertificate.subarray(1),
    rootCertificate.subarray(0, -1),
    Buffer.concat([rootCertificate, Uint8Array.of(0)]),
  ]) {
    assert.throws(() => templateFromCertificate(der), DerError)
  }
})

test('refuses a certificate that has an extension twice', async () => {
  const issuer = importIssuer(await createAuthority('P-256', parseAuthorityNames('localhost'), now))
  const { publicKey } = await generateKeyPair('P-256')
  const contents = { subject: issuer.name, validity: unlimitedValidity(now), publicKey }
  const once = await issueCertificate(issuer, { ...contents, extensions: [basicConstraints(true)] })
  assert.equal(templateFromCertificate(once).isCa, true)
  const extensions = [basicConstraints(true), basicConstraints(false)]
  const twice = await issueCertificate(issuer, { ...contents, extensions })
  assert.throws(() => templateFromCertificate(twice), { name: 'DerError', message: /twice/ })
})
