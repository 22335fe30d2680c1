import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { longestIpAddress, parseIpAddress, shortestIpAddress } from './ip-address.ts'

const hex = (text: string): string | undefined => {
  const octets = parseIpAddress(text)
  return octets === undefined ? undefined : Buffer.from(octets).toString('hex')
}

test('reads IPv4 and IPv6 in all forms', () => {
  assert.equal(hex('10.9.8.7'), '0a090807')
  assert.equal(hex('::'), '0'.repeat(32))
  assert.equal(hex('::1'), `${'0'.repeat(31)}1`)
  assert.equal(hex('2001:db8::5'), '20010db8000000000000000000000005')
  assert.equal(hex('1:2:3:4:5:6:7::'), '00010002000300040005000600070000')
  assert.equal(hex('::ffff:192.0.2.9'), '00000000000000000000ffffc0000209')
  assert.equal(hex('1:2:3:4:5:6:7.8.9.10'), '0001000200030004000500060708090a')
})

test('refuses what is no address', () => {
  for (const text of [
    '',
    '10.1.2',
    '010.0.0.1',
    '10.0.0.1 ',
    'fe80::1%eth0',
    '1::2::3',
    '::1:',
    '[::1]',
    'localhost',
  ]) {
    assert.equal(parseIpAddress(text), undefined, text)
  }
})

test('mapped addresses have two forms', () => {
  const mapped = parseIpAddress('::ffff:192.0.2.9') ?? new Uint8Array()
  assert.deepEqual(Array.from(shortestIpAddress(mapped)), [192, 0, 2, 9])
  assert.deepEqual(longestIpAddress(Uint8Array.of(192, 0, 2, 9)), mapped)
  assert.equal(shortestIpAddress(new Uint8Array(5)).length, 5)
})

test('any octets survive as text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
      const groups = Array.from({ length: 8 }, (_, index) =>
        Buffer.from(octets)
          .readUInt16BE(2 * index)
          .toString(16),
      )
      assert.deepEqual(parseIpAddress(groups.join(':')), octets)
    }),
  )
})
