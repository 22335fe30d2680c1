import { generateKeyPair, rsaBits, type KeyKind, type KeyPair } from '../pki/key-pair.ts'

/** Bounds of what idle time makes. */
export const keyPoolLimits = {
  /** Pairs kept of a kind on a curve: made in 0.06 to 2 ms. */
  curvePairs: 128,
  /** Pairs kept of an RSA kind, by the largest modulus for which the number holds. The first is what a deployment
   * of some 50 marbles that start together takes; making one takes about 0.04, 0.2 and 0.7 s. */
  rsaPairs: [
    { bits: 2048, pairs: 64 },
    { bits: 3072, pairs: 16 },
    { bits: 4096, pairs: 8 },
    { bits: Infinity, pairs: 2 },
  ],
  /** RSA kinds for which pairs are kept; those of further kinds are made when they are asked for. */
  rsaKinds: 8,
  /** RSA pairs being made at the same time, half of libuv's four threads: the others stay free for signatures. */
  concurrentRsa: 2,
  /** Pairs being made ahead at the same time, so that a request finds no queue before it. */
  concurrentAhead: 2,
  /** Milliseconds between two looks at whether there is something to do. */
  pollMs: 20,
  /** Looks in a row that must find nobody being served before anything is made: 100 ms. */
  idleLooks: 5,
} as const

export interface KeyPoolPorts {
  /** True while no request is being served. */
  readonly isIdle: () => boolean
  readonly generate?: (kind: KeyKind) => Promise<KeyPair>
  /** Runs a task later, once, and returns what calls it off. It must not keep the process alive. */
  readonly schedule?: (task: () => void, ms: number) => () => void
}

/**
 * Key pairs made ahead in idle time, so that nobody waits for them.
 *
 * A pair that is asked for and not there is made at once. RSA pairs are made in at most two places at a time, in the
 * order in which they were asked for, so that they can't take all of libuv's threads from others.
 */
export class KeyPool {
  readonly #isIdle: () => boolean
  readonly #generate: (kind: KeyKind) => Promise<KeyPair>
  readonly #schedule: (task: () => void, ms: number) => () => void
  /** How many pairs to keep of each wanted kind. */
  #targets: ReadonlyMap<KeyKind, number> = new Map()
  readonly #ready = new Map<KeyKind, KeyPair[]>()
  readonly #waiting: { readonly kind: KeyKind; readonly pair: PromiseWithResolvers<KeyPair> }[] = []
  readonly #underWay = new Map<KeyKind, number>()
  #allUnderWay = 0
  #rsaUnderWay = 0
  #callOff: (() => void) | undefined
  #quietLooks = 0
  #isClosed = false

  constructor({ isIdle, generate = generateKeyPair, schedule = scheduleUnref }: KeyPoolPorts) {
    this.#isIdle = isIdle
    this.#generate = generate
    this.#schedule = schedule
  }

  /** A pair that nobody else gets. Rejects when it can't be made. */
  async take(kind: KeyKind): Promise<KeyPair> {
    const ready = this.#ready.get(kind)?.shift()
    if (ready !== undefined) {
      this.#lookLater()
      return ready
    }
    const pair = Promise.withResolvers<KeyPair>()
    this.#waiting.push({ kind, pair })
    this.#serveWaiting()
    return await pair.promise
  }

  /** Says which kinds to keep ready, the first ones first; pairs of all others are thrown away. */
  want(kinds: Iterable<KeyKind>): void {
    const wanted = [...new Set(kinds)]
    const rsa = wanted.filter((kind) => rsaBits(kind) !== undefined).slice(0, keyPoolLimits.rsaKinds)
    const kept = wanted.filter((kind) => rsaBits(kind) === undefined || rsa.includes(kind))
    this.#targets = new Map(kept.map((kind) => [kind, pairsToKeep(kind)]))
    for (const kind of this.#ready.keys()) if (!this.#targets.has(kind)) this.#discard(kind)
    this.#lookLater()
  }

  /** How many pairs of each wanted kind are ready, and how many are to be. */
  fill(): readonly { readonly kind: KeyKind; readonly ready: number; readonly wanted: number }[] {
    return [...this.#targets].map(([kind, wanted]) => ({
      kind,
      ready: this.#ready.get(kind)?.length ?? 0,
      wanted,
    }))
  }

  /** Ends the making ahead, and wipes what is there. Pairs that are asked for are still made. */
  close(): void {
    this.#isClosed = true
    this.#callOff?.()
    this.#callOff = undefined
    for (const kind of this.#ready.keys()) this.#discard(kind)
  }

  #discard(kind: KeyKind): void {
    for (const { privateKey } of this.#ready.get(kind) ?? []) privateKey.reveal().fill(0)
    this.#ready.delete(kind)
  }

  #serveWaiting(): void {
    const claimed = new Map<KeyKind, number>()
    for (const { kind } of this.#waiting) {
      const before = claimed.get(kind) ?? 0
      claimed.set(kind, before + 1)
      if (this.#countUnderWay(kind) > before) continue
      if (this.#hasPlaceFor(kind)) this.#make(kind)
    }
  }

  #hasPlaceFor(kind: KeyKind): boolean {
    return rsaBits(kind) === undefined || this.#rsaUnderWay < keyPoolLimits.concurrentRsa
  }

  #make(kind: KeyKind): void {
    this.#underWay.set(kind, this.#countUnderWay(kind) + 1)
    this.#allUnderWay += 1
    if (rsaBits(kind) !== undefined) this.#rsaUnderWay += 1
    this.#generate(kind).then(
      (pair) => {
        this.#finish(kind)
        this.#deliver(pair)
        this.#goOn()
      },
      (error: unknown) => {
        this.#finish(kind)
        this.#fail(kind, error)
        this.#goOn()
      },
    )
  }

  #countUnderWay(kind: KeyKind): number {
    return this.#underWay.get(kind) ?? 0
  }

  #finish(kind: KeyKind): void {
    const left = this.#countUnderWay(kind) - 1
    if (left > 0) this.#underWay.set(kind, left)
    else this.#underWay.delete(kind)
    this.#allUnderWay -= 1
    if (rsaBits(kind) !== undefined) this.#rsaUnderWay -= 1
  }

  #deliver(pair: KeyPair): void {
    const { kind } = pair
    const waiter = this.#takeWaiter(kind)
    const ready = this.#ready.get(kind) ?? []
    if (waiter !== undefined) waiter.resolve(pair)
    else if (!this.#isClosed && ready.length < (this.#targets.get(kind) ?? 0))
      this.#ready.set(kind, [...ready, pair])
    else pair.privateKey.reveal().fill(0)
  }

  /** Whoever waits gets the error. A kind that can't even be made ahead is not tried again on its own. */
  #fail(kind: KeyKind, error: unknown): void {
    const waiter = this.#takeWaiter(kind)
    if (waiter !== undefined) waiter.reject(error)
    else this.#targets = new Map([...this.#targets].filter(([other]) => other !== kind))
  }

  #takeWaiter(kind: KeyKind): PromiseWithResolvers<KeyPair> | undefined {
    const index = this.#waiting.findIndex((waiter) => waiter.kind === kind)
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0]?.pair
  }

  #goOn(): void {
    this.#serveWaiting()
    this.#lookLater(0)
  }

  #lookLater(ms: number = keyPoolLimits.pollMs): void {
    if (this.#isClosed || this.#callOff !== undefined || this.#nextLacking() === undefined) return
    this.#callOff = this.#schedule(() => {
      this.#callOff = undefined
      this.#look()
    }, ms)
  }

  /** Makes the pairs that are lacking, as many as there are places, when nobody has been served for a while. */
  #look(): void {
    this.#quietLooks = this.#isIdle() && this.#waiting.length === 0 ? this.#quietLooks + 1 : 0
    if (this.#quietLooks >= keyPoolLimits.idleLooks) {
      while (this.#allUnderWay < keyPoolLimits.concurrentAhead) {
        const kind = this.#nextLacking()
        if (kind === undefined || !this.#hasPlaceFor(kind)) break
        this.#make(kind)
      }
    }
    // While pairs are being made, the next look comes with the first that is ready.
    if (this.#allUnderWay === 0) this.#lookLater()
  }

  /** The wanted kind that is fullest in need: curves first, for they are quick, then the RSA kind with fewest pairs. */
  #nextLacking(): KeyKind | undefined {
    const have = (kind: KeyKind): number => (this.#ready.get(kind)?.length ?? 0) + this.#countUnderWay(kind)
    const lacking = [...this.#targets].filter(([kind, target]) => have(kind) < target).map(([kind]) => kind)
    return (
      lacking.find((kind) => rsaBits(kind) === undefined) ??
      lacking.toSorted((one, other) => have(one) - have(other))[0]
    )
  }
}

function pairsToKeep(kind: KeyKind): number {
  const bits = rsaBits(kind)
  if (bits === undefined) return keyPoolLimits.curvePairs
  return keyPoolLimits.rsaPairs.find((limit) => bits <= limit.bits)?.pairs ?? 0
}

function scheduleUnref(task: () => void, ms: number): () => void {
  const timer = setTimeout(task, ms).unref()
  return () => {
    clearTimeout(timer)
  }
}
