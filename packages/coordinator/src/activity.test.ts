import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Activity } from './activity.ts'

test('work under way ends idleness, waiting for a client does not', async () => {
  const activity = new Activity()
  assert.ok(activity.isIdle)
  const arrival = Promise.withResolvers<string>()
  const work = Promise.withResolvers<string>()
  const tracked = activity.track(activity.awaitClient(arrival.promise).then(() => work.promise))
  assert.ok(activity.isIdle, 'a client that stalls takes no idle time')
  arrival.resolve('body')
  await arrival.promise
  await Promise.resolve()
  assert.ok(!activity.isIdle, 'the body is here, and is worked on')
  work.resolve('done')
  assert.equal(await tracked, 'done')
  await Promise.resolve()
  assert.ok(activity.isIdle)
})

test('an end waits for work under way, also for what clients have yet to send, but not longer than told', async () => {
  const activity = new Activity()
  const arrival = Promise.withResolvers<undefined>()
  const tracked = activity.track(activity.awaitClient(arrival.promise))
  let hasEnded = false
  const ended = activity.finished(60_000).then(() => {
    hasEnded = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(hasEnded, false)
  arrival.resolve(undefined)
  await tracked
  await ended
  void activity.track(new Promise(() => undefined))
  await activity.finished(1)
})
