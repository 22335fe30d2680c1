import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseManifest } from './index.ts'
import type { CertificateTemplate } from './model.ts'
import { firstPemBlock } from './pem.ts'
import { positionsOf } from './position.ts'
import { closestName } from '@taw/attestation'
import { firstCertificate, manifestWith, rsa2048 } from './test-manifests.ts'
import { decodeBase64 } from './text-encodings.ts'
import { parseTime } from './time.ts'
import { uriText, type UriParts } from './uri.ts'

const secondsOf = (text: string): number | undefined => parseTime(text)?.epochSeconds

test('times: RFC 3339, with what Go is lenient about', () => {
  assert.equal(secondsOf('1970-01-01T00:00:00Z'), 0)
  assert.equal(secondsOf('2035-05-06T07:08:09.987654321+02:00'), Date.UTC(2035, 4, 6, 5, 8, 9) / 1000)
  assert.equal(secondsOf('2035-05-06T07:08:09-00:30'), Date.UTC(2035, 4, 6, 7, 38, 9) / 1000)
  assert.equal(secondsOf('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29) / 1000)
  assert.equal(secondsOf('0001-01-01T00:00:00Z'), -62_135_596_800)
  assert.equal(secondsOf('1970-01-01T1:00:00,5Z'), 3600)
  assert.equal(secondsOf('1970-01-02T00:00:00+24:00'), 0)
  for (const text of [
    ...['', 'tomorrow', '2035-05-06', '2035-05-06T07:08:09', '2035-05-06t07:08:09Z', '2035-05-06T07:08:09z'],
    ...['2035-02-29T00:00:00Z', '2035-13-01T00:00:00Z', '2035-04-31T00:00:00Z', '2035-05-06T24:00:00Z'],
    ...[
      '2035-05-06T07:08:60Z',
      '2035-05-06T07:08:09.Z',
      '2035-05-06T07:08:09+25:00',
      ' 2035-05-06T07:08:09Z',
    ],
  ]) {
    assert.equal(parseTime(text), undefined, text)
  }
})

const uri = (parts: Partial<UriParts>): string =>
  uriText({
    scheme: '',
    opaque: '',
    hasUser: false,
    host: '',
    path: '',
    rawPath: '',
    omitHost: false,
    forceQuery: false,
    rawQuery: '',
    fragment: '',
    rawFragment: '',
    ...parts,
  })

test('URIs are put together as Go does', () => {
  assert.equal(uri({}), '')
  assert.equal(uri({ scheme: 'spiffe', host: 'td.example', path: '/svc' }), 'spiffe://td.example/svc')
  assert.equal(
    uri({ scheme: 'https', host: 'h:8443', path: '/a b?', rawQuery: 'q=1', fragment: 'f g' }),
    'https://h:8443/a%20b%3F?q=1#f%20g',
  )
  assert.equal(uri({ scheme: 'urn', opaque: 'uuid:1' }), 'urn:uuid:1')
  assert.equal(uri({ scheme: 'https', host: 'h', path: 'relative' }), 'https://h/relative')
  assert.equal(uri({ scheme: 'file', path: '/x' }), 'file:///x')
  assert.equal(uri({ scheme: 'file', path: '/x', omitHost: true }), 'file:/x')
  assert.equal(uri({ scheme: 'https', hasUser: true, host: 'h' }), 'https://@h')
  assert.equal(uri({ path: 'a:b/c' }), './a:b/c')
  assert.equal(uri({ host: 'h', forceQuery: true }), '//h?')
  assert.equal(uri({ host: 'bücher' }), '//b%C3%BCcher')
  assert.equal(uri({ path: '/a/b', rawPath: '/a%2Fb' }), '/a%2Fb')
  assert.equal(uri({ path: '/a/b', rawPath: '/other' }), '/a/b')
  assert.equal(uri({ path: '*' }), '*')
})

test('base64: padded, standard alphabet, line breaks skipped, loose bits ignored', () => {
  const decode = (text: string) => decodeBase64(text)?.join(',')
  assert.equal(decode(''), '')
  assert.equal(decode('QUI='), '65,66')
  assert.equal(decode('Q\nU\r\nI=\n'), '65,66')
  assert.equal(decode('QR=='), '65')
  for (const text of ['QUI', 'QU I=', '-_-_', 'A', '=', '====', 'QQ=', 'QQ==QQ==', 'Q===', '%%%%']) {
    assert.equal(decode(text), undefined, text)
  }
})

test('the first well-formed PEM block counts', () => {
  assert.equal(firstPemBlock(`text\n${rsa2048}${firstCertificate}`)?.label, 'PUBLIC KEY')
  assert.equal(
    firstPemBlock(`-----BEGIN X-----\nno base64!\n-----END X-----\n${rsa2048}`)?.label,
    'PUBLIC KEY',
  )
  const withHeader = '-----BEGIN X-----\r\nKey: value\r\n\r\nQU\r\nI=\r\n-----END X-----'
  assert.deepEqual(firstPemBlock(withHeader), { label: 'X', content: Uint8Array.of(65, 66) })
  for (const text of [
    '',
    'QUI=',
    '-----BEGIN X-----\nQUI=\n',
    '-----BEGIN X-----\nQUI=\n-----END Y-----\n',
  ]) {
    assert.equal(firstPemBlock(text), undefined, text)
  }
  // Go's lines end at line feeds, and lose a carriage return before one.
  const block = { label: 'X', content: Uint8Array.of(65, 66) }
  assert.deepEqual(firstPemBlock('-----BEGIN X----- \r\nQUI=\r\n-----END X-----\t\r\n'), block)
  assert.deepEqual(firstPemBlock('-----BEGIN X-----\nQUI=\n-----END X----- '), block)
  for (const text of [
    '-----BEGIN X-----\rQUI=\n-----END X-----\n',
    '-----BEGIN X-----\nQUI=\n-----END X-----\r',
  ])
    assert.equal(firstPemBlock(text), undefined, text)
  assert.equal(firstPemBlock('-----BEGIN X-----\n'.repeat(3000)), undefined)
})

test('positions count lines and characters from 1', () => {
  const text = Buffer.from('aé€😀b\nx\r\ny')
  assert.deepEqual(positionsOf(text, [0, 3, 6, 10, 12, 15, 99]), [
    { line: 1, column: 1 },
    { line: 1, column: 3 },
    { line: 1, column: 4 },
    { line: 1, column: 5 },
    { line: 2, column: 1 },
    { line: 3, column: 1 },
    { line: 3, column: 2 },
  ])
})

test('suggestions: near, and the nearest', () => {
  const known = ['Package', 'Packages', 'Parameters', 'TLS']
  assert.equal(closestName('Pakcages', known), 'Packages')
  assert.equal(closestName('package', known), 'Package')
  assert.equal(closestName('TSL', known), 'TLS')
  assert.equal(closestName('Environment', known), undefined)
  assert.equal(closestName('x', known), undefined)
  assert.equal(closestName('Packages'.repeat(100), known), undefined)
})

/** Numbers that JavaScript can't hold are given as bigints. */
function templateOf(Cert: unknown): CertificateTemplate | undefined {
  const manifest = manifestWith({ Secrets: { s: { Type: 'symmetric-key', Size: 8, Cert } } })
  const text = JSON.stringify(manifest, (_, value: unknown) =>
    typeof value === 'bigint' ? `bigint:${value}` : value,
  )
  const raw = Buffer.from(text.replace(/"bigint:(\d+)"/g, '$1'))
  const prepared = parseManifest(raw, { now: () => new Date(0) })
  return prepared.manifest.secrets.get('s')?.certificate
}

test('certificate templates: the members of Go, in their JSON forms', () => {
  const template = templateOf({
    subject: {
      CommonName: 'cn',
      ExtraNames: [
        { Type: [2, 5, 4, 3], Value: 'v' },
        { Type: [1], Value: 4.5 },
      ],
    },
    KeyUsage: -1,
    ExtKeyUsage: [],
    UnknownExtKeyUsage: [[1, 2, 2n ** 63n - 1n]],
    IPAddresses: ['192.0.2.1', '::ffff:192.0.2.2', '2001:DB8::1', null],
    URIs: [{ Scheme: 'urn', Opaque: 'x' }],
    Policies: ['2.999.01'],
    PermittedIPRanges: [{ IP: '10.0.0.0', Mask: '/wAAAA==' }],
    NotAfter: '0001-01-01T00:00:00Z',
    SubjectKeyId: [1, 2],
    ExtraExtensions: [{ Id: [1, 2], Critical: true, Value: 'BQA=' }],
    MaxPathLen: -1,
  })
  assert.equal(template?.subject.commonName, 'cn')
  assert.deepEqual(template.subject.extraNames, [
    { type: [2n, 5n, 4n, 3n], value: 'v' },
    { type: [1n], value: 4.5 },
  ])
  assert.equal(template.keyUsage, 65535)
  assert.deepEqual(template.extKeyUsage, [])
  assert.deepEqual(template.unknownExtKeyUsage, [[1n, 2n, 2n ** 63n - 1n]])
  assert.deepEqual(
    template.ipAddresses?.map((address) => Buffer.from(address).toString('hex')),
    ['c0000201', 'c0000202', '20010db8000000000000000000000001', ''],
  )
  assert.deepEqual(template.uris, ['urn:x'])
  assert.deepEqual(template.policies, ['2.999.1'])
  assert.deepEqual(template.permittedIpRanges, [
    { ip: Uint8Array.of(10, 0, 0, 0), mask: Uint8Array.of(255, 0, 0, 0) },
  ])
  assert.equal(template.notAfter, undefined)
  assert.deepEqual(template.subjectKeyId, Uint8Array.of(1, 2))
  assert.deepEqual(template.extraExtensions, [{ id: [1n, 2n], critical: true, value: Uint8Array.of(5, 0) }])
  assert.equal(template.maxPathLen, -1)
  assert.deepEqual([template.dnsNames, templateOf({ DNSNames: [] })?.dnsNames], [undefined, []])
})

test('certificate templates: what is of the wrong kind is refused, by path', () => {
  const errors: [unknown, string][] = [
    [5, ''],
    [[], ''],
    ['!!', ''],
    ['', ''],
    ['AAAA', ''],
    [{ Subject: 'CN=x' }, '.Subject'],
    [{ Subject: { Organization: 'x' } }, '.Subject.Organization'],
    [{ KeyUsage: 1.5 }, '.KeyUsage'],
    [{ IPAddresses: ['010.0.0.1'] }, '.IPAddresses[0]'],
    [{ IPAddresses: ['fe80::1%eth0'] }, '.IPAddresses[0]'],
    [{ URIs: ['https://x'] }, '.URIs[0]'],
    [{ URIs: [null] }, '.URIs[0]'],
    [{ ExcludedIPRanges: [null] }, '.ExcludedIPRanges[0]'],
    [{ Policies: ['1.x'] }, '.Policies[0]'],
    [{ Policies: ['1.40'] }, '.Policies[0]'],
    [{ NotAfter: 2035 }, '.NotAfter'],
    [{ NotBefore: '2035' }, '.NotBefore'],
    [{ SerialNumber: '12' }, '.SerialNumber'],
    [{ Version: true }, '.Version'],
    [{ UnknownExtKeyUsage: ['1.2'] }, '.UnknownExtKeyUsage[0]'],
    [{ SubjectKeyId: 'A' }, '.SubjectKeyId'],
  ]
  for (const [Cert, path] of errors) {
    assert.throws(
      () => templateOf(Cert),
      (error: unknown) => String(error).includes(`Secrets.s.Cert${path} (line 1`),
      JSON.stringify(Cert),
    )
  }
})

test('members of certificate templates without effect are warned about', () => {
  const Cert = { policyidentifiers: [[1, 2]], NotBefore: null, Raw: 'AAAA', IsCA: true }
  const manifest = manifestWith({ Secrets: { s: { Type: 'cert-ed25519', Cert } } })
  const { warnings } = parseManifest(Buffer.from(JSON.stringify(manifest)), { now: () => new Date(0) })
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['Secrets.s.Cert.PolicyIdentifiers', 'Secrets.s.Cert.Raw'],
  )
  assert.match(warnings[0]?.message ?? '', /"Policies"/)
})
