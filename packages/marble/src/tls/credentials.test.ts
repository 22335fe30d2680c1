import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'

import {
  issue,
  makeFakeAuthority,
  predefinedVariables,
  privateKeyPem,
} from '../../../../tests/support/fake-authority.ts'
import { MarbleError } from '../errors.ts'
import { credentialsFromEnvironment } from './credentials.ts'

const authority = makeFakeAuthority('P-384')
const marble = issue({ commonName: 'x', marbleTypes: ['m'] }, authority.marbleRoot)
const env = predefinedVariables(authority, marble)

void test('the four variables', () => {
  const credentials = credentialsFromEnvironment({ ...env, OTHER: 'x' })
  assert.deepEqual(credentials.certificate.raw, Buffer.from(marble.der))
  assert.deepEqual(credentials.root.raw, Buffer.from(authority.marbleRoot.der))
  assert.deepEqual(credentials.coordinatorRoot?.raw, Buffer.from(authority.root.der))
  assert.equal(credentials.certificateChain, marble.pem + authority.intermediate.pem)
  assert.equal(credentials.privateKey.asymmetricKeyDetails?.namedCurve, 'secp384r1')
  assert.equal(
    credentialsFromEnvironment({ ...env, MARBLE_PREDEFINED_COORDINATOR_ROOT_CA: undefined }).coordinatorRoot,
    undefined,
  )
})

void test('the key does not print', () => {
  const credentials = credentialsFromEnvironment(env)
  const key = privateKeyPem(marble.key).split('\n')[1] ?? assert.fail()
  for (const text of [inspect(credentials, { depth: 9, showHidden: true }), JSON.stringify(credentials)]) {
    assert.ok(!text.includes(key) && !text.includes('PRIVATE'))
  }
})

void test('what is missing, unreadable or does not belong together is refused by name', () => {
  const other = issue({ commonName: 'x' }, makeFakeAuthority('P-384').marbleRoot)
  for (const [change, says] of [
    [{ MARBLE_PREDEFINED_ROOT_CA: undefined }, /MARBLE_PREDEFINED_ROOT_CA: it is not set.*taw run/],
    [{ MARBLE_PREDEFINED_PRIVATE_KEY: '' }, /MARBLE_PREDEFINED_PRIVATE_KEY: it is not set/],
    [{ MARBLE_PREDEFINED_ROOT_CA: 'PLANTED' }, /ROOT_CA: it should be a certificate in PEM/],
    [{ MARBLE_PREDEFINED_COORDINATOR_ROOT_CA: 'x' }, /COORDINATOR_ROOT_CA: it should be a certificate/],
    [{ MARBLE_PREDEFINED_PRIVATE_KEY: 'PLANTED' }, /PRIVATE_KEY: it should be a PKCS #8/],
    [{ MARBLE_PREDEFINED_PRIVATE_KEY: privateKeyPem(other.key) }, /not that of the certificate/],
    [
      predefinedVariables(makeFakeAuthority('P-384'), marble),
      /not signed by the one in MARBLE_PREDEFINED_ROOT_CA/,
    ],
  ] as const) {
    assert.throws(
      () => credentialsFromEnvironment({ ...env, ...change }),
      (error) => {
        assert.ok(error instanceof MarbleError)
        assert.equal(error.code, 'credentials_invalid')
        assert.match(error.message, says)
        assert.doesNotMatch(inspect(error), /PLANTED/)
        return true
      },
    )
  }
})
