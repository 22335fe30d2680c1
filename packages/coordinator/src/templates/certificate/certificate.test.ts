import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { TemplateError } from '../index.ts'
import { ownData, render } from '../testdata/load.ts'
import { civilOf, momentOf, unixEpoch } from './civil.ts'

const tls = ownData.secrets.get('tls')
assert.ok(tls?.certificate !== undefined)
const { certificate } = tls

test('whatever the DER, a certificate prints or fails with a TemplateError', () => {
  const change = fc.tuple(fc.nat(certificate.length - 1), fc.nat(255))
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.nat(certificate.length),
      (changes, length) => {
        const changed = Uint8Array.from(certificate)
        for (const [index, byte] of changes) changed[index] = byte
        const cut = length % 3 === 0 ? changed.subarray(0, length) : changed
        const data = { ...ownData, secrets: new Map([['tls', { ...tls, certificate: cut }]]) }
        try {
          render('{{ printf "%v %+v" .Secrets.tls.Cert .Secrets.tls.Cert }}', 'file', data)
        } catch (error) {
          assert.ok(error instanceof TemplateError, String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('dates are those of the Gregorian calendar', () => {
  // JavaScript's own calendar is the reference; its range of years is smaller than Go's.
  const day = 86_400_000
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
      const date = new Date(seconds * 1000)
      const civil = civilOf({ seconds: BigInt(seconds) + unixEpoch, nanoseconds: 0 })
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
      const newYear = new Date(0)
      newYear.setUTCFullYear(year, 0, 1)
      assert.deepEqual(civil, {
        year,
        month: month + 1,
        day: date.getUTCDate(),
        hour: date.getUTCHours(),
        minute: date.getUTCMinutes(),
        second: date.getUTCSeconds(),
        weekday: date.getUTCDay(),
        yearDay: Math.floor((date.getTime() - newYear.getTime()) / day) + 1,
      })
      const { day: dayOfMonth, hour, minute, second } = civil
      assert.equal(
        momentOf(year, month + 1, dayOfMonth, hour, minute, second).seconds,
        BigInt(seconds) + unixEpoch,
      )
    }),
  )
})
