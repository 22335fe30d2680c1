import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KeyKind, KeyPair } from '../pki/key-pair.ts'
import { KeyPool, keyPoolLimits } from './key-pool.ts'
import { SecretBytes } from './secret-bytes.ts'

/** A pool whose time and key making stand still until the test says so. */
class Stage {
  isIdle = true
  readonly pool: KeyPool
  readonly begun: { readonly kind: KeyKind; readonly outcome: PromiseWithResolvers<KeyPair> }[] = []
  #made = 0
  #next: (() => void) | undefined

  constructor() {
    this.pool = new KeyPool({
      isIdle: () => this.isIdle,
      generate: (kind) => {
        const outcome = Promise.withResolvers<KeyPair>()
        this.begun.push({ kind, outcome })
        return outcome.promise
      },
      schedule: (task) => {
        assert.equal(this.#next, undefined, 'one timer is enough')
        this.#next = task
        return () => {
          this.#next = undefined
        }
      },
    })
  }

  /** Lets the pool look so many times; false when it doesn't want to. */
  async look(times = 1): Promise<boolean> {
    for (let count = 0; count < times; count++) {
      const task = this.#next
      this.#next = undefined
      if (task === undefined) return false
      task()
      await nextTurn()
    }
    return true
  }

  /** Ends the making of the pair that was begun first. */
  async finish(): Promise<KeyPair> {
    const first = this.begun.shift()
    assert.ok(first !== undefined, 'nothing is being made')
    const octet = Uint8Array.of(++this.#made)
    const pair = { kind: first.kind, publicKey: octet, privateKey: new SecretBytes(octet.slice()) }
    first.outcome.resolve(pair)
    await nextTurn()
    return pair
  }

  kinds(): KeyKind[] {
    return this.begun.map(({ kind }) => kind)
  }
}

const quiet = keyPoolLimits.idleLooks

test('makes nothing ahead while requests are served, nor at once after', async () => {
  const stage = new Stage()
  stage.pool.want(['P-256'])
  assert.deepEqual(stage.kinds(), [])
  stage.isIdle = false
  await stage.look(50)
  stage.isIdle = true
  await stage.look(quiet - 1)
  stage.isIdle = false
  await stage.look()
  stage.isIdle = true
  await stage.look(quiet - 1)
  assert.deepEqual(stage.kinds(), [])
  await stage.look()
  assert.deepEqual(stage.kinds(), ['P-256', 'P-256'])
})

test('stops making ahead when a request comes', async () => {
  const stage = new Stage()
  stage.pool.want(['RSA-2048'])
  await stage.look(quiet)
  stage.isIdle = false
  await stage.finish()
  await stage.finish()
  await stage.look(20)
  assert.deepEqual(stage.kinds(), [])
})

test('hands out each pair once, the ready ones first', async () => {
  const stage = new Stage()
  stage.pool.want(['P-256'])
  await stage.look(quiet)
  const [one, two] = [await stage.finish(), await stage.finish()]
  stage.isIdle = false
  assert.equal(await stage.pool.take('P-256'), one)
  assert.equal(await stage.pool.take('P-256'), two)
  const third = stage.pool.take('P-256')
  assert.deepEqual(stage.kinds(), ['P-256'])
  assert.equal(await stage.finish(), await third)
})

test('keeps no more than the limits say, curves before RSA', async () => {
  const stage = new Stage()
  stage.pool.want(['RSA-4096', 'P-384', 'RSA-2048'])
  await stage.look(quiet)
  const order: KeyKind[] = []
  while (stage.begun.length > 0) {
    order.push((await stage.finish()).kind)
    await stage.look()
  }
  assert.deepEqual(new Set(order.slice(0, keyPoolLimits.curvePairs)), new Set(['P-384']))
  const count = (kind: KeyKind): number => order.filter((made) => made === kind).length
  assert.deepEqual([count('P-384'), count('RSA-2048'), count('RSA-4096')], [keyPoolLimits.curvePairs, 64, 8])
  assert.equal(await stage.look(), false, 'a full pool has nothing to look for')
})

test('keeps pairs of a few RSA kinds only', async () => {
  const stage = new Stage()
  stage.pool.want(Array.from({ length: 1_000 }, (_, index): KeyKind => `RSA-${5000 + index}`))
  await stage.look(quiet)
  const made = new Set<KeyKind>()
  while (stage.begun.length > 0) {
    made.add((await stage.finish()).kind)
    await stage.look()
  }
  assert.equal(made.size, keyPoolLimits.rsaKinds)
})

test('makes RSA pairs two at a time, others all at once', async () => {
  const stage = new Stage()
  stage.isIdle = false
  const rsa = Array.from({ length: 5 }, () => stage.pool.take('RSA-2048'))
  const curve = Array.from({ length: 5 }, () => stage.pool.take('P-384'))
  assert.deepEqual(stage.kinds().toSorted(), [...Array<KeyKind>(5).fill('P-384'), 'RSA-2048', 'RSA-2048'])
  for (let count = 0; count < 10; count++) {
    await stage.finish()
    assert.ok(stage.kinds().filter((kind) => kind === 'RSA-2048').length <= keyPoolLimits.concurrentRsa)
  }
  const pairs = await Promise.all([...rsa, ...curve])
  assert.equal(new Set(pairs).size, 10)
  assert.deepEqual(stage.kinds(), [])
})

test('whoever waits gets a pair that is being made ahead', async () => {
  const stage = new Stage()
  stage.pool.want(['RSA-2048'])
  await stage.look(quiet)
  const taken = stage.pool.take('RSA-2048')
  assert.equal(stage.begun.length, 2)
  assert.equal(await stage.finish(), await taken)
})

test('an error reaches the one who waits, and the next is tried anew', async () => {
  const stage = new Stage()
  const failing = stage.pool.take('P-384')
  stage.begun.shift()?.outcome.reject(new Error('no entropy'))
  await assert.rejects(failing, /no entropy/)
  const next = stage.pool.take('P-384')
  assert.equal(await stage.finish(), await next)
})

test('a kind that fails when made ahead is not tried for ever', async () => {
  const stage = new Stage()
  stage.pool.want(['P-384'])
  await stage.look(quiet)
  for (const { outcome } of stage.begun.splice(0)) outcome.reject(new Error('no entropy'))
  await nextTurn()
  assert.equal(await stage.look(), false)
})

test('wipes pairs that nobody wants any more', async () => {
  const stage = new Stage()
  stage.pool.want(['P-384'])
  await stage.look(quiet)
  const ready = await stage.finish()
  stage.pool.want(['P-521'])
  assert.deepEqual(ready.privateKey.reveal(), Uint8Array.of(0))
  const late = await stage.finish()
  assert.deepEqual(late.privateKey.reveal(), Uint8Array.of(0))
})

test('after its end makes nothing ahead, but serves who asks', async () => {
  const stage = new Stage()
  stage.pool.want(['P-384'])
  await stage.look(quiet)
  const ready = await stage.finish()
  stage.pool.close()
  assert.deepEqual(ready.privateKey.reveal(), Uint8Array.of(0))
  await stage.finish()
  assert.equal(await stage.look(), false)
  const taken = stage.pool.take('P-384')
  assert.equal(await stage.finish(), await taken)
})

test('does not keep the process alive, though it has work left', () => {
  const script = `
    import { KeyPool } from '${import.meta.resolve('./key-pool.ts')}'
    new KeyPool({ isIdle: () => false }).want(['P-256', 'RSA-2048'])`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 120_000 })
  assert.equal(status, 0)
})

test('takes real pairs', async () => {
  const pool = new KeyPool({ isIdle: () => false })
  assert.equal((await pool.take('P-256')).publicKey.length, 91)
  assert.equal((await pool.take('Ed25519')).publicKey.length, 44)
})
