import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StorageDamaged } from './backend.ts'
import { type RollbackAnchor, RollbackAnchorUnavailable, RollbackGuard } from './rollback-anchor.ts'

/** What a host can copy: the value in the head, and the commits that the ledger has. */
interface Image {
  readonly value: bigint
  readonly commits: readonly number[]
}

/** The process was killed. */
class Killed extends Error {}

type Fault = 'killed-before' | 'killed-after' | 'fails-before' | 'fails-after'

/** A machine under a hostile host, who keeps every state that its disk ever had. */
class Machine {
  counter: bigint | undefined
  /** Every image that was ever on the disk; a failed write may have left one, too. */
  readonly images: Image[] = []
  /** The image that a host that leaves us alone would start from. */
  disk: Image | undefined
  readonly answered = new Set<number>()
  /** Effects until the fault; undefined: there is none. */
  fault: { readonly kind: Fault; after: number } | undefined
  #commits = 0

  readonly anchor: RollbackAnchor = {
    name: 'the counter',
    read: () => Promise.resolve(this.counter),
    begin: () => Promise.resolve((this.counter ??= 40n)),
    advanceTo: (value) =>
      this.effect(() => {
        const current = this.counter ?? 0n
        if (value !== current && value !== current + 1n)
          throw new RollbackAnchorUnavailable('advanced by others')
        this.counter = value
      }),
  }

  async effect(action: () => void): Promise<void> {
    const { fault } = this
    const isDue = fault?.after === 0
    if (fault !== undefined) fault.after--
    if (isDue && fault.kind === 'killed-before') throw new Killed()
    if (isDue && fault.kind === 'fails-before') throw new RollbackAnchorUnavailable('it fails')
    await Promise.resolve()
    action()
    if (isDue && fault.kind === 'killed-after') throw new Killed()
    if (isDue && fault.kind === 'fails-after') throw new RollbackAnchorUnavailable('it fails')
  }

  write(image: Image): void {
    this.images.push(image)
    this.disk = image
  }

  /** One life of the Coordinator, from `start` until it is killed or has committed often enough. */
  async live(start: Image | undefined, commits: number): Promise<'refused' | 'ended'> {
    let guard: RollbackGuard
    try {
      guard =
        start === undefined
          ? await RollbackGuard.begin(this.anchor)
          : await RollbackGuard.open(this.anchor, start.value)
    } catch (error) {
      assert.ok(error instanceof StorageDamaged)
      return 'refused'
    }
    let state = start?.commits ?? []
    const lost = [...this.answered].filter((commit) => !state.includes(commit))
    assert.deepEqual(lost, [], 'a ledger was accepted that lacks what was answered')
    this.disk = start
    for (let index = 0; index < commits; index++) {
      try {
        state = await this.#commit(guard, state)
      } catch (error) {
        assert.ok(error instanceof Killed, String(error))
        return 'ended'
      }
    }
    return 'ended'
  }

  /** As the ledger does it: what was written stays, also when the anchor then fails, but is not answered. */
  async #commit(guard: RollbackGuard, state: readonly number[]): Promise<readonly number[]> {
    const commits = [...state, this.#commits++]
    const progress = { isWritten: false }
    try {
      await guard.commit(
        (value) =>
          this.effect(() => {
            if (this.disk !== undefined || state.length > 0) this.write({ value, commits: state })
          }),
        async (value) => {
          await this.effect(() => {
            this.write({ value, commits })
          })
          progress.isWritten = true
        },
      )
    } catch (error) {
      if (!(error instanceof RollbackAnchorUnavailable)) throw error
      if (progress.isWritten) return commits
      // What `#overwriteFailed` of the journal does.
      if (this.disk !== undefined) this.write({ value: guard.value, commits: state })
      return state
    }
    for (const commit of commits) this.answered.add(commit)
    return commits
  }
}

const life = fc.record({
  /** Which image the host starts from, counted from the newest; undefined: it leaves the disk alone. */
  image: fc.option(fc.nat(12), { nil: undefined }),
  commits: fc.nat(3),
  fault: fc.option(
    fc.record({
      kind: fc.constantFrom<Fault>('killed-before', 'killed-after', 'fails-before', 'fails-after'),
      after: fc.nat(7),
    }),
    { nil: undefined },
  ),
})

void test('no older ledger opens, and no honest one is refused, whenever it is killed or fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 2, maxLength: 8 }), async (lives) => {
      const machine = new Machine()
      await machine.live(undefined, 1)
      for (const { image, commits, fault } of lives) {
        machine.fault = fault === undefined ? undefined : { ...fault }
        const honest = machine.disk
        const start = image === undefined ? honest : machine.images.at(-1 - image)
        const outcome = await machine.live(start ?? honest, commits)
        if (start === honest) assert.equal(outcome, 'ended', 'the newest ledger was refused')
      }
    }),
    { numRuns: 1000 },
  )
})

/** The attack that the second advance after a start is there for, step by step. */
void test('a copy of a commit that was cut short does not open after others were answered', async () => {
  const machine = new Machine()
  await machine.live(undefined, 1)
  machine.fault = { kind: 'killed-after', after: 2 }
  await machine.live(machine.disk, 1)
  const kept = machine.disk
  const base = machine.images.at(-2)
  assert.equal(kept?.commits.length, 2)
  machine.fault = undefined
  assert.equal(base?.commits.length, 1)
  assert.equal(await machine.live(base, 1), 'ended')
  assert.equal(await machine.live(kept, 0), 'refused')
})

void test('refusals say what was found', async () => {
  const machine = new Machine()
  const open = (value: bigint | undefined): Promise<unknown> => RollbackGuard.open(machine.anchor, value)
  await assert.rejects(open(undefined), /the ledger bears no value of the counter, but is configured/)
  await assert.rejects(open(5n), /the ledger bears 5 of the counter, which is not there: it was removed/)
  machine.counter = 7n
  await assert.rejects(
    open(6n),
    /the ledger bears 6, but the counter stands at 7: an older ledger was put back/,
  )
  await assert.rejects(
    open(9n),
    /the ledger bears 9, but the counter stands at 7: it is not the one of this ledger/,
  )
  await open(7n)
  await open(8n)
})

void test('what was written before the anchor failed can be confirmed', async () => {
  const machine = new Machine()
  const guard = await RollbackGuard.begin(machine.anchor)
  const done = (): Promise<void> => Promise.resolve()
  await guard.commit(done, done)
  machine.fault = { kind: 'fails-before', after: 0 }
  await assert.rejects(guard.commit(done, done), RollbackAnchorUnavailable)
  assert.equal(machine.counter, guard.value - 1n)
  await guard.confirm()
  assert.equal(machine.counter, guard.value)
})
