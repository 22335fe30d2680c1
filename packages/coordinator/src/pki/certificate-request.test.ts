import assert from 'node:assert/strict'
import { constants, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { openssl, skipWithoutOpenssl } from '../../../../tests/support/openssl.ts'
import { Refusal } from '../refusal.ts'
import { CertificateRequest, largestRequest } from './certificate-request.ts'
import {
  bitString,
  constructedContextTag,
  element,
  nullValue,
  sequence,
  setOf,
  smallInteger,
  tag,
  utf8,
} from './der.ts'
import { emptyName, encodeName } from './name.ts'
import { known } from './object-identifier.ts'
import { altName, localhost, p256, rawExtension, requestWith, spkiOf } from './test-requests.ts'

const isRefused = async (der: Uint8Array, reason: RegExp): Promise<void> => {
  await assert.rejects(CertificateRequest.verify(der), {
    name: 'Refusal',
    code: 'csr_invalid',
    message: reason,
  })
}

test('keeps names and known attributes, and nothing else', async () => {
  const subject = encodeName({
    ...emptyName,
    commonName: 'x',
    organization: ['o'],
    organizationalUnit: ['b', 'a'],
  })
  const forged = rawExtension('1.3.9903.2.1', '61646d696e')
  const { dnsNames, ipAddresses, ...request } = await CertificateRequest.verify(
    requestWith({ subject, extensions: [forged, localhost, rawExtension('2.5.29.19', '30030101ff')] }),
  )
  assert.deepEqual(dnsNames, ['localhost'])
  assert.deepEqual(ipAddresses, [Uint8Array.of(127, 0, 0, 1)])
  assert.deepEqual(request.subject.organizationalUnit, ['a', 'b'])
  assert.deepEqual(request.warnings, [])
})

test('takes requests that openssl makes', { skip: skipWithoutOpenssl }, async () => {
  for (const newKey of [['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], ['rsa:2048'], ['ed25519']]) {
    const pem = openssl(
      ['req', '-new', '-nodes', '-keyout', '/dev/null', '-newkey', ...newKey].concat(
        '-subj',
        '/C=DE/CN=x',
        '-addext',
        'subjectAltName=DNS:a.example,IP:::1,email:a@b,URI:spiffe://td/x',
      ),
      {},
    )
    const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')
    const { dnsNames, ipAddresses, subject } = await CertificateRequest.verify(der)
    assert.deepEqual([dnsNames, ipAddresses.length, subject.country], [['a.example'], 1, ['DE']])
  }
})

test('keys on P-224 to P-521, RSA and Ed25519 pass; weak ones are told', async () => {
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey
  for (const curve of ['P-224', 'P-256', 'P-384', 'P-521'])
    await CertificateRequest.verify(requestWith({ key: ec(curve) }))
  const ed25519 = generateKeyPairSync('ed25519').privateKey
  await CertificateRequest.verify(requestWith({ key: ed25519, algorithm: '1.3.101.112' }))

  const key = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const { warnings } = await CertificateRequest.verify(
    requestWith({ key, digest: 'sha1', algorithm: '1.2.840.113549.1.1.5' }),
  )
  assert.equal(warnings.length, 2)
})

test('RSASSA-PSS passes with the usual parameters', async () => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const plain = requestWith({ key, algorithm: '1.2.840.113549.1.1.11' })
  // The header of the outer SEQUENCE takes 4 octets, as does that of what is signed.
  const info = plain.subarray(4, 8 + Buffer.from(plain).readUInt16BE(6))
  const hash = sequence(known('2.16.840.1.101.3.4.2.1').encoding, nullValue)
  const algorithm = (saltLength: number): Uint8Array =>
    sequence(
      known('1.2.840.113549.1.1.10').encoding,
      sequence(
        element(constructedContextTag(0), hash),
        element(constructedContextTag(1), sequence(known('1.2.840.113549.1.1.8').encoding, hash)),
        element(constructedContextTag(2), smallInteger(saltLength)),
      ),
    )
  const signature = sign('sha256', info, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
  await CertificateRequest.verify(sequence(info, algorithm(32), bitString(signature)))
  await isRefused(sequence(info, algorithm(20), bitString(signature)), /signature algorithm/)
})

test('refuses keys that are unknown, too small or too large', async () => {
  const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  await isRefused(requestWith({ key: secp256k1 }), /curve 1\.3\.132\.0\.10/)
  const ed448 = generateKeyPairSync('ed448').publicKey.export({ type: 'spki', format: 'der' })
  await isRefused(requestWith({ publicKey: ed448 }), /unknown type 1\.3\.101\.113/)
  const rsa = (modulusOctets: number, exponent: number): Uint8Array => {
    const modulus = element(tag.integer, Uint8Array.of(0), new Uint8Array(modulusOctets).fill(0xff))
    const key = bitString(sequence(modulus, smallInteger(exponent)))
    return sequence(sequence(known('1.2.840.113549.1.1.1').encoding, nullValue), key)
  }
  await isRefused(requestWith({ publicKey: rsa(64, 65537) }), /512 bits/)
  await isRefused(requestWith({ publicKey: rsa(1025, 65537) }), /8200 bits/)
  await isRefused(requestWith({ publicKey: rsa(256, 1) }), /exponent 1/)
  await isRefused(requestWith({ publicKey: rsa(256, 2 ** 32 + 1) }), /exponent 4294967297/)
  const compressed = Buffer.from(spkiOf(p256))
  compressed[26] = 2
  await isRefused(requestWith({ publicKey: compressed }), /uncompressed/)
  const offCurve = Buffer.from(spkiOf(p256))
  offCurve[40] = (offCurve[40] ?? 0) ^ 1
  await isRefused(requestWith({ publicKey: offCurve }), /malformed/)
})

test('refuses signatures that do not verify or are not to be trusted', async () => {
  const other = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  await isRefused(requestWith({ publicKey: other }), /does not verify/)
  await isRefused(requestWith({ algorithm: '1.2.840.10045.4.3.3' }), /does not verify/)
  await isRefused(requestWith({ algorithm: '1.2.840.113549.1.1.11' }), /does not fit its key/)
  await isRefused(requestWith({ algorithm: '1.2.840.113549.1.1.4' }), /unknown or not safe/)
})

test('refuses names that no certificate can hold', async () => {
  const names = {
    '3080': /indefinite/,
    '3003820180': /ASCII/,
    '300387010a': /1 octets/,
    '300787050a00000001': /5 octets/,
    '30088606 3a2f2f257a7a': /scheme/,
    '3003020100 ': undefined,
  }
  for (const [hex, reason] of Object.entries(names)) {
    const request = requestWith({ extensions: [altName(hex.replaceAll(' ', ''))] })
    if (reason === undefined) assert.deepEqual((await CertificateRequest.verify(request)).dnsNames, [])
    else await isRefused(request, reason)
  }
  await isRefused(requestWith({ extensions: [localhost, localhost] }), /twice/)
})

test('passes over attributes that ask for nothing, and finds an extension that two of them ask for', async () => {
  const challenge = sequence(
    known('1.2.840.113549.1.9.7').encoding,
    setOf([element(tag.utf8String, utf8('pw'))]),
  )
  const attributes = [challenge, element(tag.null), sequence(), sequence(known('1.2.3').encoding, setOf([]))]
  assert.deepEqual((await CertificateRequest.verify(requestWith({ attributes }))).dnsNames, ['localhost'])
  const again = sequence(known('1.2.840.113549.1.9.14').encoding, setOf([sequence(localhost)]))
  await isRefused(requestWith({ attributes: [again] }), /twice/)
})

test('refuses what is no request, and what is too large', async () => {
  const good = requestWith()
  await CertificateRequest.verify(good)
  await isRefused(new Uint8Array(), /cut off or missing/)
  await isRefused(Buffer.concat([good, Uint8Array.of(0)]), /further octets/)
  await isRefused(good.subarray(0, -1), /longer than what contains it/)
  await isRefused(Buffer.alloc(largestRequest + 1), /65537 octets/)
  const nested = Array.from({ length: 15_000 }).reduce<Uint8Array>(
    (inner) => sequence(inner),
    new Uint8Array(),
  )
  await isRefused(requestWith({ subject: nested }), /identifier octet 0x30 instead of 0x31/)
})

test('a request of the largest size takes no longer than its size, in CPU', async () => {
  const name = '8209 612e6578616d706c65'.replace(' ', '')
  const count = 5_800
  const value = `3082${(11 * count).toString(16).padStart(4, '0')}${name.repeat(count)}`
  const before = process.cpuUsage()
  const { dnsNames } = await CertificateRequest.verify(requestWith({ extensions: [altName(value)] }))
  assert.equal(dnsNames.length, count)
  // Microseconds; a busy machine takes longer, but no more of them.
  assert.ok(process.cpuUsage(before).user < 2_000_000)
})

test('whatever comes, it ends with a request or with csr_invalid', async () => {
  const good = requestWith({ subject: encodeName({ ...emptyName, commonName: 'x', locality: ['y'] }) })
  const outcome = async (der: Uint8Array): Promise<void> => {
    try {
      await CertificateRequest.verify(der)
    } catch (error) {
      assert.ok(error instanceof Refusal && error.code === 'csr_invalid', String(error))
    }
  }
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), outcome), { numRuns: 500 })
  const mutation = fc.record({ at: fc.nat(good.length - 1), octet: fc.nat(255), cut: fc.nat(5) })
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      let der = Uint8Array.from(good)
      for (const { at, octet, cut } of mutations) {
        der[at] = octet
        der = Uint8Array.from([...der.subarray(0, at), ...der.subarray(at + cut)])
      }
      await outcome(der)
    }),
    { numRuns: 1_000 },
  )
})

test('no octet of a request can change without its being noticed', async () => {
  const good = requestWith({ subject: encodeName({ ...emptyName, locality: ['Bochum'] }) })
  for (let at = 0; at < good.length; at++) {
    const changed = Uint8Array.from(good)
    changed[at] = (changed[at] ?? 0) ^ 0x01
    await assert.rejects(CertificateRequest.verify(changed), { code: 'csr_invalid' }, `octet ${at}`)
  }
})
