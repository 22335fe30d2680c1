import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MarbleError } from '../errors.ts'
import { formatAddress, parseAddress } from './address.ts'

void test('host and port', () => {
  for (const [text, host, port] of [
    ['localhost:2001', 'localhost', 2001],
    ['coordinator-mesh-api.marblerun:2001', 'coordinator-mesh-api.marblerun', 2001],
    ['10.0.0.1:65535', '10.0.0.1', 65_535],
    ['[::1]:1', '::1', 1],
  ] as const) {
    assert.deepEqual(parseAddress(text), { host, port })
    assert.equal(formatAddress({ host, port }), text)
  }
})

void test('anything else is refused, with an example', () => {
  const wrong = [
    '',
    'localhost',
    ':2001',
    'h:',
    'h:0',
    'h:65536',
    'h:x',
    '::1:2001',
    '[::1]',
    'https://h:1',
    'a b:1',
  ]
  for (const text of wrong) {
    assert.throws(
      () => parseAddress(text),
      (error) => error instanceof MarbleError && error.message.includes('localhost:2001'),
      text,
    )
  }
})
