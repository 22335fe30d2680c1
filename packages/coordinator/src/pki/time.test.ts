import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tag } from './der.ts'
import { decodeTime, encodeValidity, isRepresentable, unlimitedValidity } from './time.ts'

/** Both times of a Validity, each with the letter of its type. */
function shown(notBefore: string, notAfter: string): string {
  const seconds = (time: string): number => Date.parse(time) / 1000
  const octets = encodeValidity({ notBefore: seconds(notBefore), notAfter: seconds(notAfter) })
  return Buffer.from(octets)
    .toString('latin1')
    .replaceAll('\x17\x0d', 'U:')
    .replaceAll('\x18\x0f', 'G:')
    .slice(2)
}

test('takes UTCTime from 1950 to 2049, else GeneralizedTime', () => {
  assert.equal(shown('1950-01-01T00:00:00Z', '2049-12-31T23:59:59Z'), 'U:500101000000ZU:491231235959Z')
  assert.equal(shown('1949-12-31T23:59:59Z', '2050-01-01T00:00:00Z'), 'G:19491231235959ZG:20500101000000Z')
  assert.equal(shown('0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z'), 'G:00000101000000ZG:99991231235959Z')
})

test('knows which times a certificate can name', () => {
  assert.ok(isRepresentable({ epochSeconds: Date.parse('0000-01-01T00:00:00Z') / 1000 }))
  assert.ok(isRepresentable({ epochSeconds: Date.parse('9999-12-31T23:59:59Z') / 1000 }))
  assert.ok(!isRepresentable({ epochSeconds: Date.parse('9999-12-31T23:59:59Z') / 1000 + 1 }))
  assert.ok(!isRepresentable({ epochSeconds: Date.parse('0000-01-01T00:00:00Z') / 1000 - 1 }))
})

test('without an end it is 2^63-1 nanoseconds, cut to seconds', () => {
  const length = (now: string): number => {
    const { notBefore, notAfter } = unlimitedValidity(new Date(now))
    return notAfter - notBefore
  }
  assert.equal(length('2026-01-01T00:00:00.000Z'), 9_223_372_036)
  assert.equal(length('2026-01-01T00:00:00.145Z'), 9_223_372_036)
  assert.equal(length('2026-01-01T00:00:00.146Z'), 9_223_372_037)
})

test('reads times back, and none that do not exist', () => {
  assert.equal(decodeTime(tag.utcTime, '500101000000Z'), Date.parse('1950-01-01T00:00:00Z') / 1000)
  assert.equal(decodeTime(tag.utcTime, '491231235959Z'), Date.parse('2049-12-31T23:59:59Z') / 1000)
  assert.equal(decodeTime(tag.generalizedTime, '00010101000000Z'), Date.parse('0001-01-01T00:00:00Z') / 1000)
  for (const text of [
    '490230000000Z',
    '491301000000Z',
    '490101240000Z',
    '490101006000Z',
    '490101000000',
    '',
  ]) {
    assert.equal(decodeTime(tag.utcTime, text), undefined, text)
  }
})
