import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MarbleError } from '../errors.ts'
import { readSettings } from './settings.ts'

const minimal = { EDG_MARBLE_TYPE: 'm' }

void test('defaults', () => {
  const { names, ...settings } = readSettings(minimal, '/work')
  assert.deepEqual(names.dnsNames, ['localhost'])
  assert.deepEqual(settings, {
    coordinator: { host: 'localhost', port: 2001 },
    marbleType: 'm',
    uuidFile: '/work/uuid',
    evidence: 'auto',
    gramineRoot: undefined,
    tsmRoot: undefined,
    retryMs: 30_000,
    applicationDoesTtls: false,
  })
})

void test('empty variables count as absent', () => {
  const empty = {
    EDG_MARBLE_COORDINATOR_ADDR: '',
    EDG_MARBLE_UUID_FILE: '',
    EDG_MARBLE_DNS_NAMES: '',
    TAW_MARBLE_EVIDENCE: '',
    TAW_MARBLE_RETRY_SECONDS: '',
    TAW_MARBLE_TTLS: '',
  }
  assert.deepEqual(readSettings({ ...minimal, ...empty }, '/work'), readSettings(minimal, '/work'))
  assert.throws(() => readSettings({ EDG_MARBLE_TYPE: '' }, '/work'), /EDG_MARBLE_TYPE is not set/)
})

void test('every setting', () => {
  const { names, ...settings } = readSettings(
    {
      EDG_MARBLE_COORDINATOR_ADDR: '[::1]:3',
      EDG_MARBLE_TYPE: 'front end',
      EDG_MARBLE_UUID_FILE: 'state/id',
      EDG_MARBLE_DNS_NAMES: 'a.example',
      TAW_MARBLE_EVIDENCE: 'tsm',
      TAW_MARBLE_EVIDENCE_TSM_DIR: '/reports',
      TAW_MARBLE_RETRY_SECONDS: '0',
      TAW_MARBLE_TTLS: 'application',
    },
    '/work',
  )
  assert.deepEqual(names.dnsNames, ['a.example'])
  assert.deepEqual(settings, {
    coordinator: { host: '::1', port: 3 },
    marbleType: 'front end',
    uuidFile: '/work/state/id',
    evidence: 'tsm',
    gramineRoot: undefined,
    tsmRoot: '/reports',
    retryMs: 0,
    applicationDoesTtls: true,
  })
})

void test('what is wrong is refused with name, value and choices', () => {
  for (const [name, value, says] of [
    [
      'TAW_MARBLE_EVIDENCE',
      'sgx',
      /TAW_MARBLE_EVIDENCE is "sgx"; it should be one of auto, gramine, tsm, none/,
    ],
    ['TAW_MARBLE_TTLS', 'yes', /TAW_MARBLE_TTLS is "yes".*refuse, application/],
    ['TAW_MARBLE_RETRY_SECONDS', '-1', /"-1".*whole number/],
    ['TAW_MARBLE_RETRY_SECONDS', '1.5', /whole number/],
    ['TAW_MARBLE_RETRY_SECONDS', '86401', /86400/],
    ['EDG_MARBLE_COORDINATOR_ADDR', 'nowhere', /host:port/],
  ] as const) {
    assert.throws(
      () => readSettings({ ...minimal, [name]: value }, '/work'),
      (error) =>
        error instanceof MarbleError && error.code === 'configuration_invalid' && says.test(error.message),
    )
  }
})
