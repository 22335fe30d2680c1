import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import type { CertificateTemplate, SecretDefinition } from '../manifest/model.ts'
import { parseAuthorityNames } from './authority-names.ts'
import { createAuthority, importIssuer } from './authority.ts'
import { emptyTemplate } from './empty-template.ts'
import { generateKeyPair } from './key-pair.ts'
import { pemEncode } from './pem.ts'
import { checkCertificateTemplate, issueSecretCertificate, shownValidFor } from './secret-certificate.ts'
import { templateFromCertificate } from './template-from-certificate.ts'

const now = new Date('2026-05-06T07:08:09Z')
const authority = await createAuthority('P-256', parseAuthorityNames('localhost'), now)
const issuer = importIssuer(authority)
const { publicKey } = await generateKeyPair('P-256')

const secret = (
  members: Partial<CertificateTemplate>,
  more: Partial<SecretDefinition> = {},
): SecretDefinition => ({
  type: 'cert-ecdsa',
  size: 256,
  shared: true,
  userDefined: false,
  validFor: 0,
  certificate: { ...emptyTemplate, ...members },
  ...more,
})

const issue = async (definition: SecretDefinition): Promise<X509Certificate> =>
  new X509Certificate(await issueSecretCertificate(issuer, definition, publicKey, now))

test('without a template the defaults hold', async () => {
  const certificate = await issue(secret({}, { certificate: undefined }))
  assert.equal(certificate.subject, 'CN=localhost')
  assert.equal(certificate.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  assert.equal(certificate.validTo, 'May  6 07:08:09 2027 GMT')
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  assert.ok(certificate.verify(new X509Certificate(authority.marbleRootCertificate).publicKey))
})

test('an end of validity comes from NotAfter, else ValidFor, else 365 days', async () => {
  const end = async (definition: SecretDefinition): Promise<string> => (await issue(definition)).validTo
  const notAfter = { epochSeconds: Date.parse('1940-01-01T00:00:00Z') / 1000 }
  assert.equal(await end(secret({ notAfter })), 'Jan  1 00:00:00 1940 GMT')
  assert.equal(await end(secret({}, { validFor: 1 })), 'May  7 07:08:09 2026 GMT')
  const zeroTime = { epochSeconds: Date.parse('0001-01-01T00:00:00Z') / 1000 }
  assert.equal(await end(secret({ notAfter: zeroTime })), 'May  6 07:08:09 2027 GMT')
  assert.equal(shownValidFor(secret({ notAfter: zeroTime })), 365)
  assert.equal(shownValidFor(secret({ notAfter })), 0)
  assert.equal(shownValidFor(secret({}, { validFor: 1 })), 1)
  assert.equal(shownValidFor(secret({})), 365)
  assert.equal(shownValidFor(secret({}, { userDefined: true })), 0)
  assert.equal(shownValidFor(secret({}, { type: 'symmetric-key' })), 0)
})

test('names each problem by its path', () => {
  const oid = [7n, 7n]
  const problems: Record<string, Partial<CertificateTemplate>> = {
    'Cert.ExtKeyUsage.1': { extKeyUsage: [1, 14] },
    'Cert.ExtKeyUsage.0': { extKeyUsage: [-1] },
    'Cert.UnknownExtKeyUsage.0': { unknownExtKeyUsage: [oid] },
    'Cert.UnknownExtKeyUsage.1': {
      unknownExtKeyUsage: [
        [1n, 2n],
        [2n, 999n, 4294967296n],
      ],
    },
    'Cert.MaxPathLen': { maxPathLen: 1 },
    'Cert.MaxPathLenZero': { maxPathLenZero: true },
    // 2^53 + 1, which no number holds: it came out as 2^53.
    'Cert.MaxPathLen ': { isCa: true, maxPathLen: Number(2n ** 53n + 1n) },
    'Cert.DNSNames.0': { dnsNames: ['bücher.example'] },
    'Cert.EmailAddresses.0': { emailAddresses: ['ä@example.org'] },
    'Cert.IPAddresses.0': { ipAddresses: [new Uint8Array()] },
    'Cert.URIs.0': { uris: ['https://b%C3%BCcher.example'] },
    'Cert.Subject.ExtraNames.0.Value': {
      subject: { ...emptyTemplate.subject, extraNames: [{ type: [2n, 5n, 4n, 5n], value: 42 }] },
    },
    'Cert.Subject.ExtraNames.0.Type': {
      subject: { ...emptyTemplate.subject, extraNames: [{ type: oid, value: 'x' }] },
    },
    'Cert.RawSubject': { rawSubject: Uint8Array.of(0, 0, 0) },
    'Cert.PermittedIPRanges.0': {
      permittedIpRanges: [{ ip: Uint8Array.of(10, 0, 0, 0), mask: Uint8Array.of(255, 0, 0) }],
    },
    'Cert.ExcludedIPRanges.0': {
      excludedIpRanges: [{ ip: Uint8Array.of(10, 0, 0, 0), mask: Uint8Array.of(0, 255, 0, 0) }],
    },
    'Cert.PermittedDNSDomains.0': { permittedDnsDomains: ['a..b'] },
    'Cert.ExcludedDNSDomains.1': { excludedDnsDomains: ['.a', '.', ''] },
    'Cert.PermittedEmailAddresses.0': { permittedEmailAddresses: ['.'] },
    'Cert.ExcludedURIDomains.0': { excludedUriDomains: ['.'] },
    'Cert.ExcludedEmailAddresses.0': { excludedEmailAddresses: ['a b@c'] },
    'Cert.PermittedURIDomains.0': { permittedUriDomains: ['10.0.0.1'] },
    'Cert.Policies.1': { policies: ['1.2.3', '1.02.3'] },
    'Cert.Policies.0': { policies: ['1.x'] },
    'Cert.SignatureAlgorithm': { signatureAlgorithm: 4 },
    'Cert.NotAfter': { notAfter: { epochSeconds: 253_402_300_800 } },
    'Cert.ExtraExtensions.0.Id': { extraExtensions: [{ id: [], critical: false, value: new Uint8Array() }] },
    'Cert.ExtraExtensions.0.Value': {
      extraExtensions: [{ id: [2n, 5n, 29n, 17n], critical: false, value: Uint8Array.of(5, 0) }],
    },
  }
  for (const [path, members] of Object.entries(problems)) {
    const found = checkCertificateTemplate(secret(members), now)
    assert.deepEqual(
      found.map((problem) => problem.path.join('.')),
      [path.trim()],
    )
  }
  assert.deepEqual(checkCertificateTemplate(secret({}, { validFor: 3_000_000 }), now)[0]?.path, ['ValidFor'])
})

test('an extra extension stands for the ordinary one, whose members are then not looked at', async () => {
  const value = Buffer.from('300b82096f2e6578616d706c65', 'hex')
  const extraExtensions = [{ id: [2n, 5n, 29n, 17n], critical: false, value }]
  const certificate = await issue(secret({ dnsNames: ['bücher.example'], extraExtensions }))
  assert.equal(certificate.subjectAltName, 'DNS:o.example')
})

test('an extension that must not be critical, or stands there twice, is a problem', () => {
  const keyId = { id: [2n, 5n, 29n, 14n], critical: true, value: Uint8Array.of(4, 1, 1) }
  assert.equal(checkCertificateTemplate(secret({ extraExtensions: [keyId] }), now).length, 1)
  const own = { id: [1n, 2n, 3n], critical: true, value: Uint8Array.of(1) }
  assert.equal(checkCertificateTemplate(secret({ extraExtensions: [own, own] }), now).length, 1)
})

test('the numbers of policy extensions have to be readable, as in Go', () => {
  const problemsWith = (arc: bigint, hex: string) => {
    const extraExtensions = [{ id: [2n, 5n, 29n, arc], critical: false, value: Buffer.from(hex, 'hex') }]
    return checkCertificateTemplate(secret({ extraExtensions }), now).length
  }
  const policyConstraints = 36n
  for (const good of ['3000', '3003800100', '3006800101810102', '30038001ff', '300a80087fffffffffffffff'])
    assert.equal(problemsWith(policyConstraints, good), 0, good)
  for (const bad of ['30028000', '300480020001', '300b8009008000000000000000', '30058001018100'])
    assert.equal(problemsWith(policyConstraints, bad), 1, bad)
  const inhibitAnyPolicy = 54n
  for (const good of ['020100', '0201ff', '02087fffffffffffffff'])
    assert.equal(problemsWith(inhibitAnyPolicy, good), 0, good)
  for (const bad of ['0200', '02020001', '0209008000000000000000', '3000'])
    assert.equal(problemsWith(inhibitAnyPolicy, bad), 1, bad)
})

test('secrets that are not made have no problems', () => {
  const bad = { extKeyUsage: [99] }
  assert.deepEqual(checkCertificateTemplate(secret(bad, { userDefined: true }), now), [])
  assert.deepEqual(checkCertificateTemplate(secret(bad, { type: 'symmetric-key' }), now), [])
})

test('what has problems is not issued', async () => {
  await assert.rejects(issue(secret({ extKeyUsage: [99] })), { name: 'Refusal', code: 'secret_invalid' })
})

test('openssl verifies certificates below the marble root', { skip: skipWithoutOpenssl }, async () => {
  const fresh = await createAuthority('P-256', parseAuthorityNames('localhost'), new Date())
  const definition = secret({ policies: ['1.2.3'], uris: ['spiffe://td/x'], keyUsage: 5 })
  const der = await issueSecretCertificate(importIssuer(fresh), definition, publicKey, new Date())
  const files = {
    ca: Buffer.from(pemEncode('CERTIFICATE', fresh.marbleRootCertificate)),
    it: Buffer.from(pemEncode('CERTIFICATE', der)),
  }
  assert.match(openssl(['verify', '-x509_strict', '-CAfile', 'ca', 'it'], files), /: OK/)
})

/** Text in which every trap has a good chance. */
const text = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    'a',
    'a.b',
    '.a',
    'a..b',
    'a@b',
    'ü',
    'x y',
    '://',
    '10.0.0.1',
    'https://a/%zz',
    'https://a:1',
  ),
  fc.string({ maxLength: 8 }),
)
const texts = fc.array(text, { maxLength: 2 })
const octets = (...lengths: number[]) =>
  fc.constantFrom(...lengths).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
const identifier = fc.array(fc.bigInt({ min: -2n, max: 50n }), { maxLength: 4 })
const ranges = fc.array(fc.record({ ip: octets(0, 4, 16), mask: octets(0, 3, 4, 16) }), { maxLength: 1 })

const members = fc.record({
  rawSubject: octets(0, 2, 5),
  keyUsage: fc.integer({ min: 0, max: 0xffff }),
  extKeyUsage: fc.array(fc.integer({ min: -1, max: 14 }), { maxLength: 2 }),
  unknownExtKeyUsage: fc.array(identifier, { maxLength: 2 }),
  isCa: fc.boolean(),
  maxPathLen: fc.integer({ min: -2, max: 300 }),
  maxPathLenZero: fc.boolean(),
  subjectKeyId: octets(0, 3),
  dnsNames: texts,
  emailAddresses: texts,
  ipAddresses: fc.array(octets(0, 4, 5, 16), { maxLength: 2 }),
  uris: texts,
  permittedDnsDomains: texts,
  excludedUriDomains: texts,
  permittedEmailAddresses: texts,
  permittedIpRanges: ranges,
  policies: fc.array(fc.constantFrom('1.2.3', '1.2.4', '2.999.7', 'x'), { maxLength: 2 }),
  ocspServer: texts,
  crlDistributionPoints: texts,
  extraExtensions: fc.array(
    fc.record({
      id: fc.oneof(
        identifier,
        fc.constantFrom(14n, 15n, 17n, 19n, 30n, 31n, 32n, 35n, 36n, 37n).map((last) => [2n, 5n, 29n, last]),
      ),
      critical: fc.boolean(),
      value: fc.oneof(octets(0, 3), fc.constant(Uint8Array.of(48, 0))),
    }),
    { maxLength: 2 },
  ),
  signatureAlgorithm: fc.constantFrom(0, 0, 0, 10, 11, 4),
})

/** Few members at a time, or hardly a template would be good. */
const template: fc.Arbitrary<Partial<CertificateTemplate>> = fc
  .tuple(members, fc.uniqueArray(fc.nat(20), { maxLength: 3 }))
  .map(([all, chosen]) =>
    Object.fromEntries(Object.entries(all).filter((_, index) => chosen.includes(index))),
  )

test('what passes the check is issued, and can be read back', async () => {
  let issued = 0
  await fc.assert(
    fc.asyncProperty(template, async (members) => {
      const definition = secret(members)
      if (checkCertificateTemplate(definition, now).length > 0) return
      issued++
      const der = await issueSecretCertificate(issuer, definition, publicKey, now)
      templateFromCertificate(der)
      assert.ok(
        new X509Certificate(der).verify(new X509Certificate(authority.marbleRootCertificate).publicKey),
      )
    }),
    { numRuns: 2_000 },
  )
  assert.ok(issued > 500, `only ${issued} templates passed`)
})
