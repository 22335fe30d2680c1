import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import { parseAuthorityNames } from './authority-names.ts'
import { createAuthority, importIssuer } from './authority.ts'
import { extensionValue, readCertificate } from './certificate-reader.ts'
import { CertificateRequest } from './certificate-request.ts'
import { curves } from './curve.ts'
import { generateKeyPair } from './key-pair.ts'
import { issueMarbleCertificate } from './marble-certificate.ts'
import { parseMarbleUuid } from './marble-uuid.ts'
import { emptyName, encodeName } from './name.ts'
import { extension } from './object-identifier.ts'
import { pemEncode } from './pem.ts'
import { requestWith } from './test-requests.ts'

const uuid = parseMarbleUuid('6F1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D')
const names = parseAuthorityNames('localhost')

for (const curve of curves) {
  test(`${curve}: the certificate says what the Coordinator knows, and only names of the request`, async () => {
    const authority = await createAuthority(curve, names, new Date())
    const { publicKey } = await generateKeyPair(curve)
    const subject = encodeName({
      ...emptyName,
      commonName: 'admin',
      organization: ['Evil'],
      locality: ['Here'],
    })
    const request = await CertificateRequest.verify(requestWith({ subject }))
    const identity = { marbleType: 'größe', uuid, publicKey }
    const der = await issueMarbleCertificate(importIssuer(authority), request, identity, new Date())
    const certificate = new X509Certificate(der)
    assert.equal(certificate.subject, `L=Here\nCN=${uuid}`)
    assert.equal(certificate.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1')
    assert.ok(certificate.verify(new X509Certificate(authority.marbleRootCertificate).publicKey))
    assert.ok(!certificate.ca)
    assert.deepEqual(certificate.publicKey.export({ type: 'spki', format: 'der' }), Buffer.from(publicKey))
    const type = extensionValue(readCertificate(der).extensions, extension.marbleType)
    assert.equal(Buffer.from(type ?? []).toString('utf8'), 'größe')
  })
}

test(
  'openssl verifies it, below the marble root and below the root',
  { skip: skipWithoutOpenssl },
  async () => {
    const authority = await createAuthority('P-256', names, new Date())
    const { publicKey } = await generateKeyPair('P-256')
    const request = await CertificateRequest.verify(requestWith())
    const identity = { marbleType: 'web', uuid, publicKey }
    const der = await issueMarbleCertificate(importIssuer(authority), request, identity, new Date())
    const pem = (certificate: Uint8Array): Uint8Array => Buffer.from(pemEncode('CERTIFICATE', certificate))
    const files = {
      marble: pem(der),
      marbleRoot: pem(authority.marbleRootCertificate),
      root: pem(authority.rootCertificate),
      intermediate: pem(authority.intermediateCertificate),
    }
    const purpose = ['verify', '-x509_strict', '-purpose', 'sslserver']
    assert.match(openssl([...purpose, '-CAfile', 'marbleRoot', 'marble'], files), /: OK/)
    assert.match(
      openssl([...purpose, '-CAfile', 'root', '-untrusted', 'intermediate', 'marble'], files),
      /: OK/,
    )
  },
)

test('every certificate has a serial number of its own', async () => {
  const issuer = importIssuer(await createAuthority('P-256', names, new Date()))
  const { publicKey } = await generateKeyPair('P-256')
  const request = await CertificateRequest.verify(requestWith())
  const serials = new Set<string>()
  for (let count = 0; count < 50; count++) {
    const der = await issueMarbleCertificate(
      issuer,
      request,
      { marbleType: 'm', uuid, publicKey },
      new Date(),
    )
    const { serialNumber } = new X509Certificate(der)
    assert.ok(serialNumber.length <= 32 && !serialNumber.startsWith('-'))
    serials.add(serialNumber)
  }
  assert.equal(serials.size, 50)
})
