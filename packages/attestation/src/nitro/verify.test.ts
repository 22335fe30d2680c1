import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RawCbor, cbor } from '../../../../packages/tee-kit/src/encoding/cbor.ts'
import { coseSign1 } from '../../../../packages/tee-kit/src/encoding/cose.ts'
import { TEST_TIME, TestNitro, p384Key } from '../../../../tests/support/tee-kit-amd-nitro.ts'
import type { CborItem } from '../../../../packages/tee-kit/src/encoding/cbor.ts'
import { authorityExtensions } from '../../../../tests/support/x509-builder.ts'
import { keyUsage } from '../../../../packages/tee-kit/src/encoding/x509.ts'
import { concatBytes } from '../core/bytes.ts'
import { toHex, toUtf8 } from '../core/encoding.ts'
import { EvidenceInvalid } from '../core/errors.ts'
import { nodeCrypto } from '../core/node.ts'
import { webCrypto } from '../core/web.ts'
import { findNitroDocument } from './containers.ts'
import { nitroVerifier } from './verify.ts'

const aws = new TestNitro()
const verifier = nitroVerifier({ crypto: nodeCrypto, anchors: aws.anchors })
const key = aws.enclaveKey.privateKey

const refused = (check: string) => (error: unknown) => {
  assert.ok(error instanceof EvidenceInvalid, String(error))
  assert.equal(error.check, check)
  assert.equal(error.checks.at(-1)?.outcome, 'failed')
  return true
}
const refuses = (document: Uint8Array, check: string, at = TEST_TIME) =>
  assert.rejects(verifier.verifyDocument(document, at), refused(check))

/** Another value for a member of the payload, signed. */
const withMember = (name: string, value: CborItem): Uint8Array =>
  aws.document({ members: new Map([[name, value]]) })

describe('a genuine document', () => {
  test('gives its claims', async () => {
    const claims = await verifier.verifyDocument(
      aws.document({ nonce: Uint8Array.of(1), userData: Uint8Array.of(2), publicKey: Uint8Array.of(3) }),
      TEST_TIME,
    )
    assert.equal(claims.kind, 'nitro-document')
    assert.equal(claims.moduleId, 'i-0123456789abcdef0-enc0123456789abcdef')
    assert.deepEqual([claims.nonce, claims.userData, claims.publicKey], ['01', '02', '03'])
    assert.equal(claims.pcrs['1'], '02'.repeat(48))
    assert.equal(Object.keys(claims.pcrs).length, 5)
    assert.equal(claims.debug, false)
    assert.equal(claims.timestamp, TEST_TIME.getTime())
    assert.equal(claims.validUntil.getTime(), aws.leafValidity.notAfter.getTime())
    assert.deepEqual(
      claims.checks.map(({ name, outcome }) => `${name} ${outcome}`),
      ['document-format', 'document-algorithm', 'certificate-chain', 'document-signature'].map(
        (name) => `${name} passed`,
      ),
    )
  })

  test('of a debug enclave: verification is not appraisal', async () => {
    const pcrs = new Map([0, 1, 2].map((index) => [index, new Uint8Array(48)]))
    const claims = await verifier.verifyDocument(aws.document({ pcrs }), TEST_TIME)
    assert.equal(claims.debug, true)
    assert.equal(claims.nonce, undefined)
  })

  test('with tag 18, with WebCrypto, and at both ends of the validity', async () => {
    const tagged = concatBytes(Uint8Array.of(0xd2), aws.document())
    await verifier.verifyDocument(tagged, TEST_TIME)
    const web = nitroVerifier({ crypto: webCrypto, anchors: aws.anchors })
    for (const at of [aws.leafValidity.notBefore, aws.leafValidity.notAfter])
      await web.verifyDocument(tagged, at)
  })

  test('whose outermost map has an indefinite length', async () => {
    const payload = aws.payload()
    const indefinite = concatBytes(Uint8Array.of(0xbf), payload.subarray(1), Uint8Array.of(0xff))
    await verifier.verifyDocument(cbor(coseSign1(indefinite, key)), TEST_TIME)
  })

  test('with 32 PCRs, a bundle without its root, and members that are new', async () => {
    const pcrs = new Map(Array.from({ length: 32 }, (_, index) => [index, new Uint8Array(48).fill(7)]))
    const members = new Map<string, CborItem>([
      ['cabundle', [aws.zone]],
      ['extension', 1],
    ])
    await verifier.verifyDocument(aws.document({ pcrs, members }), TEST_TIME)
  })

  test('is found as it is, and in no other bytes', () => {
    const document = aws.document()
    assert.deepEqual(Buffer.from(findNitroDocument(document) ?? []), document)
    assert.equal(findNitroDocument(aws.leaf), undefined)
    assert.equal(findNitroDocument(toUtf8('text')), undefined)
  })
})

describe('a document is refused', () => {
  test('under a root of somebody else', async () => {
    const impostor = new TestNitro()
    await refuses(impostor.document(), 'certificate-chain')
    // The real root in the bundle doesn't help.
    await refuses(
      impostor.document({ members: new Map([['cabundle', [aws.root, impostor.zone]]]) }),
      'certificate-chain',
    )
    const genuine = nitroVerifier({ crypto: nodeCrypto })
    await assert.rejects(genuine.verifyDocument(aws.document(), TEST_TIME), refused('certificate-chain'))
  })

  test("when its signature is another key's, or over other bytes", async () => {
    await refuses(cbor(coseSign1(aws.payload(), p384Key().privateKey)), 'document-signature')
    // Long enough to stand nowhere else, as in a key.
    const nonce = Buffer.alloc(16, 0xaa)
    const document = aws.document({ nonce })
    const place = Buffer.from(document).indexOf(nonce)
    await refuses(
      document.map((byte, offset) => (offset === place ? 0xab : byte)),
      'document-signature',
    )
    const [protectedBytes = null, , payload = null] = coseSign1(aws.payload(), key)
    const zero = cbor([protectedBytes, new Map(), payload, new Uint8Array(96)])
    await refuses(zero, 'document-signature')
    await refuses(cbor([protectedBytes, new Map(), payload, new Uint8Array(0)]), 'document-signature')
  })

  test('when it names another algorithm, or only the unprotected header does', async () => {
    await refuses(cbor(coseSign1(aws.payload(), key, -7)), 'document-algorithm')
    await refuses(cbor(coseSign1(aws.payload(), key, -36)), 'document-algorithm')
    const [, , payload = null, signature = null] = coseSign1(aws.payload(), key)
    await refuses(cbor([cbor(new Map()), new Map([[1, -35]]), payload, signature]), 'document-format')
    const critical = cbor(
      new Map<number, CborItem>([
        [1, -35],
        [2, [99]],
      ]),
    )
    await refuses(cbor([critical, new Map(), payload, signature]), 'document-format')
  })

  test('when its certificate is not valid at the time', async () => {
    const { notBefore, notAfter } = aws.leafValidity
    await refuses(aws.document(), 'certificate-chain', new Date(notBefore.getTime() - 1000))
    await refuses(aws.document(), 'certificate-chain', new Date(notAfter.getTime() + 1000))
    await refuses(aws.document(), 'certificate-chain', new Date(Number.NaN))
  })

  test('when its certificate is an authority, or not for signing', async () => {
    const authority = aws.enclaveCertificate({ extensions: authorityExtensions() })
    await refuses(withMember('certificate', authority), 'certificate-chain')
    const agreement = aws.enclaveCertificate({ extensions: [keyUsage(0x08)] })
    await refuses(withMember('certificate', agreement), 'certificate-chain')
    await refuses(withMember('certificate', aws.enclaveCertificate({ extensions: [] })), 'certificate-chain')
  })

  test('when its certificate was signed by an enclave', async () => {
    const other = p384Key()
    const forged = aws.enclaveCertificate({
      issuer: 'i-0123456789abcdef0-enc0123456789abcdef',
      publicKey: other.publicKey,
      signer: aws.enclaveKey.privateKey,
    })
    const members = new Map<string, CborItem>([
      ['certificate', forged],
      ['cabundle', [aws.root, aws.zone, aws.leaf]],
    ])
    await refuses(cbor(coseSign1(aws.payload({ members }), other.privateKey)), 'certificate-chain')
  })

  test('when certificates are unreadable, too many, or none', async () => {
    await refuses(withMember('certificate', Uint8Array.of(0x30, 0)), 'certificate-chain')
    await refuses(withMember('cabundle', []), 'document-format')
    await refuses(
      withMember(
        'cabundle',
        Array.from({ length: 8 }, () => aws.zone),
      ),
      'document-format',
    )
    await refuses(withMember('cabundle', [aws.root, aws.zone, aws.zone]), 'certificate-chain')
  })

  const malformed: readonly (readonly [string, Uint8Array])[] = [
    ['is empty', new Uint8Array(0)],
    ['is text', toUtf8('hello')],
    ['has bytes after it', concatBytes(aws.document(), Uint8Array.of(0))],
    ['is cut short', aws.document().subarray(0, -1)],
    ['is larger than 64 KB', new Uint8Array(65 * 1024)],
    ['has another tag', concatBytes(Uint8Array.of(0xd1), aws.document())],
    ['has three parts', cbor(coseSign1(aws.payload(), key).slice(0, 3))],
    [
      'is an indefinite array',
      concatBytes(Uint8Array.of(0x9f), aws.document().subarray(1), Uint8Array.of(0xff)),
    ],
    ['has another digest', withMember('digest', 'SHA256')],
    ['has no module id', withMember('module_id', null)],
    ['has a time as text', withMember('timestamp', '2025')],
    ['has time 0', withMember('timestamp', 0)],
    ['has a time that no calendar has', withMember('timestamp', 9e15)],
    ['has a PCR of 32 bytes', withMember('pcrs', new Map([[0, new Uint8Array(32)]]))],
    ['has PCR32', withMember('pcrs', new Map([[32, new Uint8Array(48)]]))],
    ['has no PCR2', withMember('pcrs', new Map([0, 1].map((index) => [index, new Uint8Array(48)])))],
    ['has a nonce as text', withMember('nonce', 'abc')],
    ['has a list of PCRs', withMember('pcrs', [new Uint8Array(48)])],
    ['has a member twice', cbor(coseSign1(twice(aws.payload()), key))],
    ['has an indefinite map inside', withMember('pcrs', new RawCbor(Uint8Array.of(0xbf, 0xff)))],
    ['has an indefinite byte string', withMember('nonce', new RawCbor(Uint8Array.of(0x5f, 0x41, 1, 0xff)))],
    ['has a length that is not the shortest', withMember('nonce', new RawCbor(Uint8Array.of(0x58, 1, 1)))],
    ['has a float', withMember('nonce', new RawCbor(Uint8Array.of(0xf9, 0, 0)))],
    ['nests deeply', withMember('nonce', new RawCbor(new Uint8Array(1000).fill(0x81)))],
  ]
  for (const [what, document] of malformed)
    test(`when it ${what}`, () => refuses(document, 'document-format'))
})

/** A map of nine members, with a tenth of a name that is there already. */
function twice(payload: Uint8Array): Uint8Array {
  assert.equal(payload[0], 0xa9)
  return concatBytes(Uint8Array.of(0xaa), payload.subarray(1), cbor('nonce'), cbor(Uint8Array.of(1)))
}

test('claims carry the bytes that were signed, whatever becomes of the buffer', async () => {
  const buffer = aws.document({ nonce: Uint8Array.of(5) })
  const pending = verifier.verifyDocument(buffer, TEST_TIME)
  buffer.fill(0)
  assert.equal((await pending).nonce, toHex(Uint8Array.of(5)))
})

test('every single bit of a document counts', async () => {
  const document = aws.document({ nonce: Uint8Array.of(1, 2, 3) })
  const position = fc.record({ offset: fc.nat({ max: document.length - 1 }), bit: fc.nat({ max: 7 }) })
  await fc.assert(
    fc.asyncProperty(position, async ({ offset, bit }) => {
      const altered = document.map((byte, place) => (place === offset ? byte ^ (1 << bit) : byte))
      await assert.rejects(verifier.verifyDocument(altered, TEST_TIME), EvidenceInvalid)
    }),
    { numRuns: 300 },
  )
})
