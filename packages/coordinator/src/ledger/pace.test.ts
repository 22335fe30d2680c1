import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Pace } from './pace.ts'

/** The pauses that a pace makes, and what it allowed after each, when others use so much CPU in them. */
async function turns(used: readonly number[]): Promise<{ ms: number; large: boolean }[]> {
  const pauses: number[] = []
  const left = [...used]
  const pace = new Pace({
    restFor: (ms) => {
      pauses.push(ms)
      return Promise.resolve(left.shift() ?? 0)
    },
  })
  const made: { ms: number; large: boolean }[] = []
  for (const [turn] of used.entries()) {
    const large = await pace.turn()
    made.push({ ms: pauses[turn] ?? Number.NaN, large })
  }
  return made
}

const slow = { ms: 20, large: false }
const fast = { ms: 1, large: true }

test('background work is slow while others are served, and fast once nobody has been there for a while', async () => {
  assert.deepEqual(await turns([5, 9, 1]), [slow, slow, slow])
  assert.deepEqual(await turns([0, 0, 0.5, 0, 0, 0, 0]), [
    slow,
    slow,
    slow,
    slow,
    { ms: 20, large: true },
    fast,
    fast,
  ])
})

test('a single pause in which others work makes it slow again', async () => {
  const made = await turns([0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0])
  assert.deepEqual(made.slice(5), [
    fast,
    { ms: 1, large: false },
    slow,
    slow,
    slow,
    slow,
    { ms: 20, large: true },
  ])
})

test('a process that works is noticed', async () => {
  const pace = new Pace()
  const over = new AbortController()
  const working = (async () => {
    while (!over.signal.aborted) {
      for (const end = performance.now() + 2; performance.now() < end;);
      await setImmediate()
    }
  })()
  for (let turn = 0; turn < 8; turn++) assert.equal(await pace.turn(), false)
  over.abort()
  await working
})
