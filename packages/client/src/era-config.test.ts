import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseEraConfig, parseTcbStatus } from './era-config.ts'
import { ClientError } from './errors.ts'

const signer = 'AB'.repeat(32)
const none = {
  uniqueId: undefined,
  signerId: undefined,
  productId: undefined,
  securityVersion: undefined,
  debug: false,
  acceptedTcbStatuses: undefined,
  acceptedAdvisories: undefined,
}

for (const [text, identity] of [
  [`{"UniqueID":"${signer}"}`, { ...none, uniqueId: signer.toLowerCase() }],
  [
    `{"SecurityVersion":5,"UniqueID":"","SignerID":"${signer}","ProductID":3,"Debug":true}`,
    { ...none, signerId: signer.toLowerCase(), productId: 3n, securityVersion: 5, debug: true },
  ],
  [`{"uniqueid":"${signer}","SIGNERID":null}`, { ...none, uniqueId: signer.toLowerCase() }],
] as const) {
  test(`era config ${text.slice(0, 40)}`, () => {
    assert.deepEqual(parseEraConfig(text, 'the test').sgx, identity)
  })
}

for (const [about, text] of [
  ['no JSON', '{'],
  ['no object', '[]'],
  ['nothing', '{}'],
  ['signer alone', `{"SignerID":"${signer}"}`],
  ['short hex', '{"UniqueID":"abcd"}'],
  ['no hex', `{"UniqueID":"${'xy'.repeat(32)}"}`],
  ['a number for hex', '{"UniqueID":1}'],
  ['text for a number', `{"UniqueID":"${signer}","ProductID":"1"}`],
  ['a fraction', `{"UniqueID":"${signer}","SecurityVersion":1.5}`],
  ['a negative number', `{"UniqueID":"${signer}","SecurityVersion":-1}`],
  ['more than two bytes', `{"UniqueID":"${signer}","ProductID":65536}`],
  ['Debug as text', `{"UniqueID":"${signer}","Debug":"true"}`],
  ['a misspelt member', `{"UniqueID":"${signer}","SecurityVersoin":1}`],
  ['a member twice', `{"UniqueID":"${signer}","uniqueID":"${signer}"}`],
] as const) {
  test(`era config refused: ${about}`, () => {
    assert.throws(
      () => parseEraConfig(text, 'the test'),
      (error) => error instanceof ClientError && error.code === 'policy_invalid',
    )
  })
}

test('TCB statuses are known by their exact names', () => {
  assert.equal(parseTcbStatus('OutOfDate'), 'OutOfDate')
  assert.throws(() => parseTcbStatus('outofdate'), ClientError)
})
