import { randomUUID } from 'node:crypto'
import { type CampaignManifest, type ManifestChoice, makeManifest, type People } from './manifests.ts'
import type { InspectedRecord } from '../../packages/coordinator/src/ledger/inspect.ts'
import { Changes, type Tally } from './changes.ts'
import { decryptShares } from '../support/recovery-parties.ts'
import { Register } from './register.ts'
import { Replay } from './replay.ts'

/** Keys that all marbles of one root secret get. */
interface RootKeys {
  readonly shared: string
  /** The derived key of the deployment's own marble; undefined: not seen yet. */
  derived: string | undefined
}

/** All that clients know of one deployment: everything since an empty directory, or since a manifest over old state. */
export class Deployment {
  readonly changes = new Changes()
  readonly replay: Replay
  /** Both user-defined secrets of the manifest, which are always written together, as one. */
  readonly pair = new Register()
  /** Manifests that were sent, by fingerprint. */
  readonly manifests = new Map<string, CampaignManifest>()
  /** The manifest in force, as far as was answered. Only one client at a time changes it. */
  inForce: CampaignManifest | undefined
  /** UUID of the marble that has the counters and comes back after every start. */
  readonly marble = randomUUID()
  /** Counter → values that somebody was told to have set first. */
  readonly #won = new Map<string, Set<bigint>>()
  readonly #rootKeys = new Map<string, RootKeys>()
  /** Secrets of the recovery parties, by {@link CampaignManifest.recovery}. */
  readonly #shares = new Map<string, ReadonlyMap<string, Buffer>>()
  readonly #report: (problem: string) => void
  readonly #people: People

  constructor(people: People, report: (problem: string) => void) {
    this.#people = people
    this.#report = report
    this.replay = new Replay(this.manifests, report)
  }

  /** A manifest that goes over the one in force. */
  nextManifest(choice: ManifestChoice): CampaignManifest {
    const manifest = makeManifest(this.#people, choice, this.inForce)
    this.manifests.set(manifest.fingerprint, manifest)
    return manifest
  }

  keepShares({ recovery }: CampaignManifest, answered: Readonly<Record<string, string>>): void {
    this.#shares.set(recovery, decryptShares(this.#people.parties, answered))
  }

  /** The secrets with which the state can be recovered now; undefined: the answer that had them was lost. */
  currentShares(): ReadonlyMap<string, Buffer> | undefined {
    return this.inForce === undefined ? undefined : this.#shares.get(this.inForce.recovery)
  }

  /** Compares everything that was answered with the records. */
  settle(records: readonly InspectedRecord[]): Tally {
    const { fresh, tally } = this.changes.settle(records, this.#report)
    for (const record of fresh) this.replay.apply(record)
    this.inForce = this.replay.manifest
    for (const [counter, values] of this.#won) {
      const greatest = [...values].reduce((former, value) => (value > former ? value : former), 0n)
      if ((this.replay.counters.get(counter) ?? 0n) < greatest) {
        this.#report(`counter "${counter}" went back: ${greatest} was handed out`)
      }
    }
    return tally
  }

  /** Somebody was told to be the first who set a counter to this value. */
  handOut(counter: string, value: bigint): void {
    const values = this.#won.get(counter) ?? new Set()
    this.#won.set(counter, values)
    if (values.has(value)) this.#report(`counter "${counter}": ${value} was handed out twice`)
    values.add(value)
  }

  /** What a marble got must all be of one time: keys of the root secret that belongs to its manifest. */
  sawKeys(generation: string, shared: string, derived: string, uuid: string): void {
    const manifest = [...this.manifests.values()].find((candidate) => candidate.generation === generation)
    if (manifest === undefined) {
      this.#report(`a marble was activated under a manifest that nobody sent: ${generation}`)
      return
    }
    const keys = this.#rootKeys.get(manifest.root) ?? { shared, derived: undefined }
    this.#rootKeys.set(manifest.root, keys)
    if (keys.shared !== shared) this.#report(`the shared key under ${generation} is not the one of before`)
    if (uuid !== this.marble) return
    keys.derived ??= derived
    if (keys.derived !== derived) this.#report(`the derived key under ${generation} is not the one of before`)
  }
}
