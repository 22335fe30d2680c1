import type { InspectedRecord } from '../../packages/coordinator/src/ledger/inspect.ts'
import type { AuditRecord } from '../../packages/coordinator/src/state/audit.ts'
import { auditOf } from './changes.ts'
import { type CampaignManifest, limitOf } from './manifests.ts'

type UpdateStep = Extract<AuditRecord, { action: 'update-initiated' | 'update-acknowledged' }>

/** What the records of a ledger lead to, as far as they say; and what no sequence of records may say. */
export class Replay {
  manifest: CampaignManifest | undefined
  pending: { readonly manifest: CampaignManifest; readonly agreed: Set<string> } | undefined
  /** Minimum `SecurityVersion` by package, where an update raised it. */
  readonly versions = new Map<string, number>()
  readonly activations = new Map<string, number>()
  /** By `UUID NAME`. */
  readonly counters = new Map<string, bigint>()
  /** Times of the lines that the update log should have; milliseconds since 1970. */
  readonly logTimes: number[] = []
  recoveries = 0
  readonly #manifests: ReadonlyMap<string, CampaignManifest>
  readonly #report: (problem: string) => void

  /** @param manifests all that were ever sent, by fingerprint */
  constructor(manifests: ReadonlyMap<string, CampaignManifest>, report: (problem: string) => void) {
    this.#manifests = manifests
    this.#report = report
  }

  apply(record: InspectedRecord): void {
    const audit = auditOf(record)
    const log = (lines: number): void => {
      for (let line = 0; line < lines; line++) this.logTimes.push(record.time.getTime())
    }
    switch (audit.action) {
      case 'manifest-set':
        if (this.manifest !== undefined) this.#report(`record ${record.sequence} sets a second manifest`)
        this.manifest = this.#known(audit.fingerprint)
        log(1)
        break
      case 'secrets-written':
        log(audit.secrets.length)
        break
      case 'marble-activated':
        this.#activate(record.sequence, audit)
        break
      case 'packages-updated':
        for (const { name, securityVersion } of audit.packages) this.#raise(name, securityVersion)
        log(audit.packages.length)
        break
      case 'update-initiated':
      case 'update-acknowledged':
        this.#update(record.sequence, audit)
        log(audit.outcome === 'pending' ? 1 : 2)
        break
      case 'update-cancelled':
        if (this.pending === undefined) this.#report(`record ${record.sequence} cancels what is not pending`)
        this.pending = undefined
        log(1)
        break
      case 'counter-advanced': {
        const name = `${audit.actor.uuid} ${audit.counter}`
        const value = BigInt(audit.value)
        if (value > (this.counters.get(name) ?? 0n)) this.counters.set(name, value)
        break
      }
      case 'recovered':
        this.recoveries++
    }
  }

  /** The minimum that a package has. All manifests begin with 1. */
  versionOf(name: string): number {
    return this.versions.get(name) ?? 1
  }

  #known(fingerprint: string): CampaignManifest | undefined {
    const manifest = this.#manifests.get(fingerprint)
    if (manifest === undefined) this.#report(`a record names a manifest that nobody sent: ${fingerprint}`)
    return manifest
  }

  #activate(sequence: number, { actor, activation }: AuditRecord & { action: 'marble-activated' }): void {
    const limit = this.manifest === undefined ? undefined : limitOf(this.manifest, actor.type)
    const count = (this.activations.get(actor.type) ?? 0) + 1
    if (limit === undefined) return
    if (activation !== count)
      this.#report(`record ${sequence} counts ${activation ?? 'nothing'}, after ${count - 1}`)
    if (count > limit)
      this.#report(`record ${sequence} activates "${actor.type}" beyond its limit of ${limit}`)
    this.activations.set(actor.type, count)
  }

  #raise(name: string, version: number): void {
    const former = this.versionOf(name)
    if (version < former) this.#report(`package "${name}" went from ${former} down to ${version}`)
    this.versions.set(name, version)
  }

  #update(sequence: number, { action, outcome, actor, fingerprint }: UpdateStep): void {
    const manifest = this.#known(fingerprint)
    if (manifest === undefined) return
    const isFirst = action === 'update-initiated'
    if (isFirst === (this.pending !== undefined))
      this.#report(`record ${sequence}: ${action} in the wrong order`)
    const agreed = new Set([...(this.pending?.agreed ?? []), actor.name])
    const enough = agreed.size >= (this.manifest?.updateThreshold ?? 0)
    if (enough !== (outcome === 'applied')) this.#report(`record ${sequence}: ${action} is ${outcome}`)
    this.pending = outcome === 'pending' ? { manifest, agreed } : undefined
    if (outcome !== 'applied') return
    this.manifest = manifest
    this.versions.clear()
  }
}
