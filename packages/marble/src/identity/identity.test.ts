import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto'
import { test } from 'node:test'

import { CertificationRequest } from '@peculiar/asn1-csr'
import { AsnConvert, AsnSerializer } from '@peculiar/asn1-schema'
import { SubjectAlternativeName } from '@peculiar/asn1-x509'

import { requestedNames } from '../../../../tests/support/fake-authority.ts'
import { certificationRequestInfo, makeIdentity, reportDataFor } from './identity.ts'
import { parseMarbleNames } from './names.ts'

const now = new Date('2026-03-04T05:06:07.890Z')

/** A request as a marble of the field sends it (recorded case `as-premain`), without its signature. */
const recordedRequestInfo =
  '3081be02010030003076301006072a8648ce3d020106052b81040022036200048f7300a7af7a0c1fcdaa41c993b94f22705c87adce38c262' +
  '312135fe50ecc06f290d9def817ca2ad78ef1e98aae17a167f252b3e6f48f94933f43510d7a28ad806a40e7c962e69fb15b9072b209d6b31' +
  '4221d1e6c39e7404209df74ab90b6e9ca03f303d06092a864886f70d01090e3130302e302c0603551d110425302382096c6f63616c686f73' +
  '7487047f000001871000000000000000000000000000000001'

void test('the request has the recorded bytes', () => {
  const recorded = Buffer.from(recordedRequestInfo, 'hex')
  // Header of the sequence (3), version (3), empty subject (2), then the key: 2 + 0x76 octets.
  const spki = recorded.subarray(8, 8 + 2 + 0x76)
  assert.equal(
    Buffer.from(certificationRequestInfo(spki, parseMarbleNames(undefined))).toString('hex'),
    recordedRequestInfo,
  )
})

for (const [curve, hash, algorithm] of [
  ['P-256', 'sha256', '1.2.840.10045.4.3.2'],
  ['P-384', 'sha384', '1.2.840.10045.4.3.3'],
] as const) {
  void test(`${curve}: certificate and request are signed by the key they hold, with the same names`, async () => {
    const identity = await makeIdentity(parseMarbleNames('a.example,10.0.0.5'), curve, now)
    const certificate = new X509Certificate(identity.certificate)
    assert.ok(certificate.verify(certificate.publicKey))
    assert.ok(certificate.checkPrivateKey(identity.privateKey))
    assert.equal(certificate.subject, 'CN=MarbleRun Marble')
    assert.equal(certificate.issuer, 'CN=MarbleRun Marble')
    assert.equal(
      certificate.subjectAltName,
      'DNS:a.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:10.0.0.5',
    )
    assert.equal(certificate.ca, false)
    assert.equal(certificate.validFrom, 'Mar  4 05:06:07 2026 GMT')
    assert.equal(certificate.validTo, 'Dec 31 23:59:59 9999 GMT')

    const request = AsnConvert.parse(identity.certificateRequest, CertificationRequest)
    const info = Buffer.from(AsnSerializer.serialize(request.certificationRequestInfo))
    const spki = Buffer.from(AsnSerializer.serialize(request.certificationRequestInfo.subjectPKInfo))
    assert.deepEqual(spki, certificate.publicKey.export({ type: 'spki', format: 'der' }))
    assert.equal(request.signatureAlgorithm.algorithm, algorithm)
    const key = createPublicKey({ key: spki, type: 'spki', format: 'der' })
    assert.ok(verify(hash, info, key, Buffer.from(request.signature)))
    const names = requestedNames(identity.certificateRequest)
    assert.ok(names)
    assert.deepEqual(
      Array.from(
        AsnConvert.parse(names, SubjectAlternativeName),
        ({ dNSName, iPAddress }) => dNSName ?? iPAddress,
      ),
      ['a.example', '127.0.0.1', '::1', '10.0.0.5'],
    )
  })
}

void test('every identity has a key and a serial number of its own', async () => {
  const names = parseMarbleNames(undefined)
  const [one, two] = await Promise.all([makeIdentity(names, 'P-256', now), makeIdentity(names, 'P-256', now)])
  const [first, second] = [new X509Certificate(one.certificate), new X509Certificate(two.certificate)]
  assert.notEqual(first.serialNumber, second.serialNumber)
  assert.ok(!first.publicKey.equals(second.publicKey))
})

void test('report data is the hash of the certificate and zeros up to 64 bytes', () => {
  const certificate = Buffer.from('any bytes')
  const data = Buffer.from(reportDataFor(certificate))
  assert.equal(data.length, 64)
  assert.deepEqual(data.subarray(0, 32), createHash('sha256').update(certificate).digest())
  assert.deepEqual(data.subarray(32), Buffer.alloc(32))
})
