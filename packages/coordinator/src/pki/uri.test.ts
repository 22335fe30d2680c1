import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMailboxConstraint } from './mailbox.ts'
import { domainProblem, uriProblem } from './uri.ts'

test('takes the URIs that Go reads', () => {
  const readable = [
    '',
    '*',
    'spiffe://td.example/svc',
    'https://h:8443/a%20b?q=%zz#f',
    'https://user:pass@h/',
    'https://[2001:db8::1]:443/',
    'https://[fe80::1%25eth0]/',
    'urn:uuid:1',
    'mailto:a@b',
    '/path',
    '//host/path',
    'a/b:c',
    'https://',
  ]
  for (const uri of readable) assert.equal(uriProblem(uri), undefined, uri)
})

test('refuses the URIs that Go does not read', () => {
  const unreadable = [
    '://%zz',
    ':x',
    '1:x/y',
    'https://h/%zz',
    'https://h/#%zz',
    'https://h/\u0000',
    'https://h:port/',
    'https://[::1/',
    'https://[::1]x/',
    'https://a b/',
    'https://a..b/',
    'https://a./',
    'https://b%C3%BCcher.example',
    'https://a%20b/',
    'https://us er@h/',
  ]
  for (const uri of unreadable) assert.notEqual(uriProblem(uri), undefined, uri)
})

test('a domain has no empty label and no character but visible ASCII', () => {
  for (const domain of ['', 'a', 'a.b', '*.a', 'h:8443', '_a'])
    assert.equal(domainProblem(domain), undefined, domain)
  for (const domain of ['.', '.a', 'a.', 'a..b', 'a b', 'ü', 'a\u007f']) {
    assert.notEqual(domainProblem(domain), undefined, domain)
  }
})

test('tells mailboxes from other text', () => {
  for (const text of ['a@b', 'a.b@c.example', '"a b"@c', '"\\""@c', 'a\\@b@c', '!#$%@c']) {
    assert.ok(isMailboxConstraint(text), text)
  }
  for (const text of [
    '',
    'a',
    '@b',
    'a@b.',
    '.a@b',
    'a.@b',
    'a..b@c',
    '"a@b',
    'a b@c',
    '"\u0000"@c',
    '"a\nb"@c',
  ]) {
    assert.ok(!isMailboxConstraint(text), text)
  }
})
