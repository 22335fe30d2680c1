import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MarbleError } from '../errors.ts'
import { checkTtls } from './ttls.ts'

const both = JSON.stringify({
  tls: {
    Incoming: { '*:8443': { cacrt: 'x', clicrt: 'x', clikey: 'PLANTED-KEY', clientAuth: true } },
    Outgoing: { 'backend.example:443': { cacrt: 'x', clicrt: 'x', clikey: 'PLANTED-KEY' } },
  },
})

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MarbleError)
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  assert.doesNotMatch(error.message, /PLANTED/)
  return true
}

void test('no configuration is fine', () => {
  checkTtls(undefined, false)
})

void test('a configuration is refused with its connections, unless the application honours it', () => {
  assert.throws(
    () => {
      checkTtls(both, false)
    },
    refused(
      'ttls_unsupported',
      /incoming \*:8443, outgoing backend\.example:443.*TAW_MARBLE_TTLS=application/,
    ),
  )
  checkTtls(both, true)
})

void test('an empty or unreadable configuration is refused in any case', () => {
  for (const [config, says] of [
    ['{"tls":{"Incoming":{},"Outgoing":{}}}', /has no entry/],
    ['{"tls":{}}', /has no entry/],
    ['', /no JSON/],
    ['{"tls":PLANTED', /no JSON/],
    ['{}', /no object "tls"/],
    ['[]', /no object "tls"/],
    ['{"tls":null}', /no object "tls"/],
    ['{"tls":{"Incoming":["PLANTED"]}}', /"tls\.Incoming" is no object/],
  ] as const) {
    for (const applicationDoesTtls of [false, true]) {
      assert.throws(
        () => {
          checkTtls(config, applicationDoesTtls)
        },
        refused('grant_inapplicable', says),
        config,
      )
    }
  }
})
