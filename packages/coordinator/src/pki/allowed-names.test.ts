import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowedNameProblem, nameRules } from './allowed-names.ts'
import { parseIpAddress } from './ip-address.ts'

const rules = nameRules([
  'db.example',
  '*.svc.example',
  'Upper.Example',
  '10.1.0.0/16',
  '192.0.2.7',
  '2001:db8::/32',
])

const allowsIp = (text: string): boolean => {
  const octets = parseIpAddress(text)
  assert.ok(octets, text)
  return rules.allowsIp(octets)
}

test('DNS names', () => {
  for (const name of [
    'db.example',
    'DB.Example',
    'upper.example',
    'web.svc.example',
    '*.svc.example',
    'localhost',
  ]) {
    assert.ok(rules.allowsDns(name), name)
  }
  for (const name of [
    ...[
      'example',
      'x.db.example',
      'db.example.',
      '.db.example',
      'db.example.evil',
      'svc.example',
      '*',
      '*.example',
    ],
    ...[
      'a.b.svc.example',
      '.svc.example',
      '*.*.svc.example',
      'db.example\0.evil',
      'db.example ',
      '',
      '*.db.example',
    ],
    ...['127.0.0.1', '192.0.2.7', 'db,example', 'a..svc.example', 'xsvc.example', 'a/b.svc.example'],
  ]) {
    assert.ok(!rules.allowsDns(name), name)
  }
})

test('IP addresses', () => {
  for (const text of ['10.1.2.3', '192.0.2.7', '2001:db8:ffff::1', '127.0.0.1', '::1', '::ffff:10.1.2.3']) {
    assert.ok(allowsIp(text), text)
  }
  for (const text of ['10.2.0.1', '192.0.2.8', '2001:db9::1', '127.0.0.2', '::2', '0.0.0.0', '::']) {
    assert.ok(!allowsIp(text), text)
  }
})

test('without an entry only the marble’s own machine is left', () => {
  const none = nameRules([])
  assert.ok(none.allowsDns('localhost') && none.allowsIp(Uint8Array.of(127, 0, 0, 1)))
  assert.ok(!none.allowsDns('db.example') && !none.allowsIp(Uint8Array.of(10, 0, 0, 1)))
})

test('entries that can not be right are told', () => {
  for (const entry of [
    'a',
    '*.a',
    'a_b.c-d',
    '10.0.0.1',
    '10.0.0.0/8',
    '::/0',
    '2001:db8::/32',
    'xn--bcher-kva.example',
  ]) {
    assert.equal(allowedNameProblem(entry), undefined, entry)
  }
  for (const entry of [
    '',
    '*',
    '*.',
    'a.*',
    '**.a',
    'a..b',
    'a.',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10/8',
    'a/8',
    'ü',
    'a b',
  ]) {
    assert.notEqual(allowedNameProblem(entry), undefined, entry)
  }
  assert.notEqual(allowedNameProblem(`${'a.'.repeat(127)}a`), undefined)
})
