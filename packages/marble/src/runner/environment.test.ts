import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MarbleError } from '../errors.ts'
import { SecretBytes } from '../secret-bytes.ts'
import { checkDecoded, mergeEnvironment } from './environment.ts'

const granted = (values: Readonly<Record<string, string | Uint8Array>>): Map<string, SecretBytes> =>
  new Map(Object.entries(values).map(([name, value]) => [name, new SecretBytes(Buffer.from(value))]))

const refused = (code: string, pattern: RegExp) => (error: unknown) =>
  error instanceof MarbleError &&
  error.code === code &&
  pattern.test(error.message) &&
  !error.message.includes('PLANTED')

void test('granted variables win, the others stay', () => {
  assert.deepEqual(
    mergeEnvironment(
      { KEEP: 'original', A: '1', GONE: undefined, 'x.y': '' },
      granted({ KEEP: 'manifest', B: '' }),
    ),
    { KEEP: 'manifest', A: '1', 'x.y': '', B: '' },
  )
})

void test('text comes through with every character', () => {
  const text = '\uFEFFgröße \u{1F600}\n\t\u0001'
  assert.deepEqual(mergeEnvironment({}, granted({ 'A B': text, Ü: text })), { 'A B': text, Ü: text })
})

void test('values that no process can have unchanged are refused by name, without the value', () => {
  const bad = refused('grant_inapplicable', /"X"/)
  assert.throws(() => mergeEnvironment({}, granted({ X: Buffer.from('PLANTED\xff', 'latin1') })), bad)
  assert.throws(() => mergeEnvironment({}, granted({ X: Buffer.from([0xed, 0xa0, 0x80]) })), bad)
  assert.throws(
    () => mergeEnvironment({}, granted({ X: 'PLANTED\0' })),
    refused('grant_inapplicable', /"X".*NUL/),
  )
})

void test('names that no environment can have are refused', () => {
  for (const name of ['', 'A=B', 'A\0B']) {
    assert.throws(
      () => mergeEnvironment({}, granted({ [name]: 'PLANTED' })),
      refused('grant_inapplicable', /must not be empty/),
    )
  }
})

void test('a TTLS configuration from outside is refused, one from the Coordinator wins', () => {
  assert.throws(
    () => mergeEnvironment({ MARBLE_TTLS_CONFIG: 'x' }, granted({})),
    refused('configuration_invalid', /unset it/),
  )
  assert.deepEqual(mergeEnvironment({ MARBLE_TTLS_CONFIG: 'x' }, granted({ MARBLE_TTLS_CONFIG: 'y' })), {
    MARBLE_TTLS_CONFIG: 'y',
  })
})

void test('text that Node.js could not decode is refused; a real U+FFFD is not', () => {
  const unread = (): never => assert.fail('there is nothing to look at')
  checkDecoded(new Map([['A', 'größe']]), unread)
  const suspect = new Map([['the variable "A"', 'PLANTED\uFFFD']])
  checkDecoded(suspect, () => Buffer.from('A=\uFFFD'))
  const says = refused('configuration_invalid', /the variable "A"/)
  assert.throws(() => {
    checkDecoded(suspect, () => Buffer.from('A=PLANTED\xff', 'latin1'))
  }, says)
  assert.throws(() => {
    checkDecoded(suspect, () => {
      throw new Error('no such file')
    })
  }, says)
})
