import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { formatAddress, parseAddress } from './address.ts'
import { ClientError } from './errors.ts'

for (const [text, host, port] of [
  ['localhost:4433', 'localhost', 4433],
  ['LocalHost:4433', 'localhost', 4433],
  ['coordinator.example', 'coordinator.example', 443],
  ['a_b.c-d:1', 'a_b.c-d', 1],
  ['10.0.0.1:65535', '10.0.0.1', 65535],
  ['[::1]:4433', '::1', 4433],
  ['[2001:DB8::7]', '2001:db8::7', 443],
] as const) {
  test(`the address ${text}`, () => {
    assert.deepEqual(parseAddress(text), { host, port })
    assert.deepEqual(parseAddress(formatAddress({ host, port })), { host, port })
  })
}

for (const text of [
  '',
  ':4433',
  'host:',
  'host:0',
  'host:65536',
  'host:+1',
  'host:4433/',
  'https://host:4433',
  'host/path',
  'a b',
  '../x:1',
  '::1',
  '::1:4433',
  '[::1',
  '[host]:1',
  '1.2.3:4',
  '999.1.1.1:1',
  'user@host:1',
  'host:1:2',
  'ho\nst:1',
  '-a:1',
  'a..b:1',
]) {
  test(`not an address: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseAddress(text),
      (error) =>
        error instanceof ClientError &&
        error.code === 'address_invalid' &&
        error.message.includes(JSON.stringify(text)),
    )
  })
}

test('whatever is given, the host is safe as part of a file name', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '1', '.', ':', '/', '[', ']', '-', '_', '\0') }),
      (text) => {
        try {
          assert.match(parseAddress(text).host, /^[a-z0-9_:][a-z0-9_:.-]*$/)
        } catch (error) {
          assert.ok(error instanceof ClientError)
        }
      },
    ),
  )
})
