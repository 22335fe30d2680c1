import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ActivationSeries } from './activation-series.ts'
import { metricsLimits } from './limits.ts'

const known = (types: readonly string[]) => new ActivationSeries((type) => types.includes(type))

test('the first instances have a series of their own, exactly as they were sent; the rest share one per type', () => {
  const series = known(['web', 'job'])
  for (let index = 0; index < metricsLimits.instances; index++) {
    assert.deepEqual(series.labelsFor('web', `U-${index}`, true), { type: 'web', uuid: `U-${index}` })
  }
  assert.deepEqual(series.labelsFor('web', 'late', true), { type: 'web', uuid: 'other' })
  assert.deepEqual(series.labelsFor('job', 'late', true), { type: 'job', uuid: 'other' })
  assert.deepEqual(series.labelsFor('web', 'U-0', false), { type: 'web', uuid: 'U-0' })
})

test('callers whose attempts fail take no series from those who activate', () => {
  const series = known(['web'])
  for (let index = 0; index < 1000; index++) series.labelsFor('web', `bad-${index}`, false)
  assert.deepEqual(series.labelsFor('web', 'bad-15', false), { type: 'web', uuid: 'bad-15' })
  assert.deepEqual(series.labelsFor('web', 'bad-16', false), { type: 'web', uuid: 'other' })
  assert.deepEqual(series.labelsFor('web', 'good', true), { type: 'web', uuid: 'good' })
})

test('a type that the manifest lacks becomes a label at most with the first failed attempts', () => {
  const series = known(['web'])
  const labels = Array.from({ length: 1000 }, (_, index) => series.labelsFor(`none-${index}`, 'u', false))
  assert.equal(new Set(labels.map(({ type }) => type)).size, metricsLimits.failedInstances + 1)
  assert.deepEqual(labels.at(-1), { type: 'other', uuid: 'other' })
})

test('what is too long, or could be taken for other labels, is never a label', () => {
  const long = 'x'.repeat(metricsLimits.labelLength + 1)
  const series = known([long, 'web'])
  assert.deepEqual(series.labelsFor(long, 'u', true), { type: 'other', uuid: 'other' })
  assert.deepEqual(series.labelsFor('web', long, true), { type: 'web', uuid: 'other' })
  assert.deepEqual(series.labelsFor('web', 'u,uuid:v', true), { type: 'web', uuid: 'other' })
  assert.deepEqual(series.labelsFor('web', '\ud800', true), { type: 'web', uuid: 'other' })
})

test('whatever comes, series are bounded and an instance never loses the one it has', () => {
  const text = fc.oneof(fc.string({ maxLength: 8 }), fc.integer({ min: 0, max: 500 }).map(String))
  const attempt = fc.record({ type: text, uuid: text, activated: fc.boolean() })
  const most = metricsLimits.instances + metricsLimits.failedInstances + metricsLimits.types + 1
  fc.assert(
    fc.property(fc.array(attempt, { maxLength: 2000, size: 'max' }), (attempts) => {
      const series = new ActivationSeries(() => true)
      const seen = new Set<string>()
      const own = new Set<string>()
      for (const { type, uuid, activated } of attempts) {
        const labels = series.labelsFor(type, uuid, activated)
        seen.add(JSON.stringify(labels))
        const instance = JSON.stringify({ type, uuid })
        if (own.has(instance)) assert.deepEqual(labels, { type, uuid })
        if (JSON.stringify(labels) === instance) own.add(instance)
      }
      assert.ok(seen.size <= most, `${seen.size} series`)
    }),
    // Shrinking lists of this length takes minutes.
    { numRuns: 50, endOnFailure: true },
  )
})
