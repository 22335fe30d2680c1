import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Events } from './events.ts'
import { metricsLimits } from './limits.ts'

const time = new Date('2026-11-22T07:00:00.000Z')
const read = (events: Events): { time: string; activation: { uuid: string; quote: string | null } }[] =>
  JSON.parse(events.toJson()) as never

test('nothing is null; an event has the recorded members', () => {
  const events = new Events()
  assert.equal(events.toJson(), 'null\n')
  events.add({ time, marbleType: 'web', uuid: 'A', quote: new Uint8Array() })
  events.add({ time, marbleType: 'web', uuid: 'B', quote: Buffer.from('quote') })
  assert.deepEqual(read(events), [
    { time: '2026-11-22T07:00:00.000Z', activation: { marbleType: 'web', uuid: 'A', quote: null } },
    { time: '2026-11-22T07:00:00.000Z', activation: { marbleType: 'web', uuid: 'B', quote: 'cXVvdGU=' } },
  ])
})

test('the newest stay, oldest first', () => {
  const events = new Events()
  for (let index = 0; index < metricsLimits.events + 3; index++) {
    events.add({ time, marbleType: 'web', uuid: String(index), quote: new Uint8Array() })
  }
  const uuids = read(events).map(({ activation }) => activation.uuid)
  assert.equal(uuids.length, metricsLimits.events)
  assert.deepEqual([uuids[0], uuids.at(-1)], ['3', String(metricsLimits.events + 2)])
})

test('quotes are bounded together, and the newest is always whole', () => {
  const events = new Events()
  const quote = new Uint8Array(metricsLimits.eventQuoteBytes / 4)
  for (let index = 0; index < 10; index++) events.add({ time, marbleType: 'web', uuid: `${index}`, quote })
  assert.deepEqual(
    read(events).map(({ activation }) => activation.uuid),
    ['6', '7', '8', '9'],
  )
  const largest = new Uint8Array(metricsLimits.eventQuoteBytes)
  events.add({ time, marbleType: 'web', uuid: 'large', quote: largest })
  const [only, ...others] = read(events)
  assert.equal(others.length, 0)
  assert.equal(only?.activation.quote, Buffer.from(largest).toString('base64'))
})

test('an event keeps no message of the mesh API in memory, and no quote that changes', () => {
  const events = new Events()
  const message = Buffer.from('quote and much else')
  events.add({ time, marbleType: 'web', uuid: 'A', quote: message.subarray(0, 5) })
  message.fill(0)
  assert.equal(read(events)[0]?.activation.quote, 'cXVvdGU=')
})
