import type { InspectedRecord } from '../../packages/coordinator/src/ledger/inspect.ts'
import type { AuditRecord } from '../../packages/coordinator/src/state/audit.ts'

/** Counts moments: greater means later. */
let moments = 0
export const moment = (): number => ++moments

/** Something that a client asked for. */
export interface Change {
  /** What its record in the ledger says, in short; see {@link keyOf}. */
  readonly key: string
  readonly began: number
  /** Undefined: no answer came. */
  ended: number | undefined
  /**
   * `open`: under way, or cut off; it may have happened. `needless`: it was answered as what needs no change, of which
   * there may be a record all the same.
   */
  outcome: 'open' | 'answered' | 'refused' | 'needless'
}

/** How many changes there were of each outcome. */
export interface Tally {
  answered: number
  inFlight: number
  refused: number
}

/** Compares what clients were answered with the records of one ledger. */
export class Changes {
  #changes: Change[] = []
  #ended = 0
  /** Records up to here were compared, and {@link Changes.#hash} is the hash of the last one. */
  #settled = 0
  #hash: string | undefined

  begin(key: string): Change {
    const change: Change = { key, began: moment(), ended: undefined, outcome: 'open' }
    this.#changes.push(change)
    return change
  }

  /** An answer came. */
  end(change: Change, outcome: 'answered' | 'refused' | 'needless'): void {
    change.ended = moment()
    change.outcome = outcome
    this.#ended++
  }

  /** Records of the ledger when it was compared the last time. */
  get settled(): number {
    return this.#settled
  }

  /** Answers that came since then. */
  get ended(): number {
    return this.#ended
  }

  /**
   * Compares and begins anew: what was under way and has no record now must never get one.
   *
   * @param records all of the ledger
   * @param report gets a sentence for everything that is wrong
   * @returns records that are new since the last time, and how the changes since then ended
   */
  settle(
    records: readonly InspectedRecord[],
    report: (problem: string) => void,
  ): { readonly fresh: readonly InspectedRecord[]; readonly tally: Tally } {
    const known = this.#settled === 0 ? undefined : records[this.#settled - 1]
    if (this.#settled > 0 && known?.hash !== this.#hash) {
      report(`record ${this.#settled} was there, and is now ${known === undefined ? 'gone' : 'another'}`)
    }
    const fresh = records.slice(this.#settled)
    const byKey = new Map<string, Change[]>()
    const tally: Tally = { answered: 0, inFlight: 0, refused: 0 }
    for (const change of this.#changes) {
      byKey.set(change.key, [...(byKey.get(change.key) ?? []), change])
      if (change.outcome === 'answered' || change.outcome === 'needless') tally.answered++
      else tally[change.outcome === 'open' ? 'inFlight' : 'refused']++
    }
    compareCounts(byKey, fresh, report)
    checkOrder(byKey, fresh, report)
    this.#changes = []
    this.#ended = 0
    this.#settled = records.length
    this.#hash = records.at(-1)?.hash
    return { fresh, tally }
  }
}

type ByKey = ReadonlyMap<string, readonly Change[]>

function compareCounts(
  byKey: ByKey,
  fresh: readonly InspectedRecord[],
  report: (problem: string) => void,
): void {
  const found = new Map<string, number>()
  for (const record of fresh) {
    const key = keyOf(auditOf(record))
    found.set(key, (found.get(key) ?? 0) + 1)
  }
  for (const [key, changes] of byKey) {
    const count = found.get(key) ?? 0
    const least = changes.filter(({ outcome }) => outcome === 'answered').length
    const most = changes.filter(({ outcome }) => outcome !== 'refused').length
    if (count < least) report(`LOST: "${key}" was answered ${least} times, and has ${count} records`)
    if (count > most) report(`"${key}" has ${count} records, of at most ${most} that were not refused`)
  }
  for (const [key, count] of found) {
    if (!byKey.has(key)) report(`nobody asked for "${key}", which has ${count} records`)
  }
}

/** Nothing that began after the answer to another change may stand before it. */
function checkOrder(
  byKey: ByKey,
  fresh: readonly InspectedRecord[],
  report: (problem: string) => void,
): void {
  let earliestEnd = Infinity
  for (const record of fresh.toReversed()) {
    const changes = byKey.get(keyOf(auditOf(record))) ?? []
    const [only] = changes
    if (changes.length !== 1 || only === undefined) continue
    if (earliestEnd < only.began) {
      report(`record ${record.sequence}, "${only.key}", stands before one that was answered before it began`)
    }
    earliestEnd = Math.min(earliestEnd, only.ended ?? Infinity)
  }
}

/** The campaign's Coordinator is of this build, so its records have this form. */
export const auditOf = (record: InspectedRecord): AuditRecord => record.audit as AuditRecord

/** What both a client and a record can say of a change. */
export function keyOf(audit: AuditRecord): string {
  switch (audit.action) {
    case 'manifest-set':
      return `set ${audit.fingerprint}`
    case 'secrets-written':
      return `write ${audit.actor.name} ${audit.secrets.map(({ name }) => name).join(' ')}`
    case 'marble-activated':
      return `activate ${audit.actor.type} ${audit.actor.uuid}`
    case 'packages-updated':
      return `raise ${audit.packages.map(({ name, securityVersion }) => `${name} ${securityVersion}`).join(' ')}`
    case 'update-initiated':
      return `propose ${audit.actor.name} ${audit.fingerprint}`
    case 'update-acknowledged':
      return `acknowledge ${audit.actor.name} ${audit.fingerprint}`
    case 'update-cancelled':
      return `cancel ${audit.actor.name} ${audit.fingerprint}`
    case 'counter-advanced':
      return `count ${audit.actor.type} ${audit.actor.uuid} ${audit.counter} ${audit.value}`
    case 'recovered':
      return `recover ${audit.actor.parties.toSorted().join(' ')}`
  }
}
