import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distinguishedName } from './distinguished-name.ts'

const tlv = (tag: number, ...contents: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(contents)
  assert.ok(content.length < 128)
  return Buffer.concat([Buffer.of(tag, content.length), content])
}
const UTF8 = 0x0c
const COMMON_NAME = '550403'
const attribute = (oid: string, value: string | Uint8Array, tag = UTF8): Buffer =>
  tlv(0x30, tlv(0x06, Buffer.from(oid, 'hex')), tlv(tag, Buffer.from(value)))
const name = (...parts: readonly (readonly Uint8Array[])[]): Buffer =>
  tlv(0x30, ...parts.map((attributes) => tlv(0x31, ...attributes)))
const common = (value: string | Uint8Array, tag = UTF8): string =>
  distinguishedName(name([attribute(COMMON_NAME, value, tag)]))

test('the most specific part comes first, parts of several attributes have a plus', () => {
  const parts = [
    [attribute('550406', 'US', 0x13)],
    [attribute('55040a', 'Amazon'), attribute('55040b', 'AWS')],
    [attribute(COMMON_NAME, 'aws.nitro-enclaves')],
  ]
  assert.equal(distinguishedName(name(...parts)), 'CN=aws.nitro-enclaves,O=Amazon+OU=AWS,C=US')
  assert.equal(distinguishedName(name()), '')
})

// The examples of RFC 4514, 4, and what its 2.4 says besides.
test('what would read as something else is escaped', () => {
  assert.equal(common('James "Jim" Smith, III'), 'CN=James \\"Jim\\" Smith\\, III')
  assert.equal(common('#a;<b>+c\\ '), 'CN=\\#a\\;\\<b\\>\\+c\\\\\\ ')
  assert.equal(common(' a b'), 'CN=\\ a b')
  assert.equal(common(' '), 'CN=\\ ')
  assert.equal(common('a\0b'), 'CN=a\\00b')
  assert.equal(common('Lučić'), 'CN=Lučić')
})

test('unknown types and what is no text are hex of DER', () => {
  assert.equal(distinguishedName(name([attribute('550405', '7')])), '2.5.4.5=#0c0137')
  assert.equal(common(Buffer.from('ff', 'hex')), 'CN=#0c01ff')
  assert.equal(common(Buffer.from('0041', 'hex'), 0x1e), 'CN=#1e020041')
})

test('what is cut or no name is an error', () => {
  const whole = name([attribute(COMMON_NAME, 'abc')])
  for (const bytes of [whole.subarray(0, -1), Buffer.of(), tlv(0x31), tlv(0x30, tlv(0x31, tlv(0x30)))]) {
    assert.throws(() => distinguishedName(bytes), { name: 'EvidenceInvalid' })
  }
})
