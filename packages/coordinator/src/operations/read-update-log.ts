import { setImmediate } from 'node:timers/promises'
import type { Ledger, LedgerEntry } from '../ledger/ledger.ts'
import { Refusal } from '../refusal.ts'
import type { AuditRecord } from '../state/audit.ts'

/** Entries read from the ledger at once; some 10 ms. */
const pageSize = 500

/**
 * The update log in the original's format: one JSON object a line, for changes that people make (spec/client-api.md,
 * "The update log"). Lines are made once, when their entries are first asked for.
 */
export class UpdateLog {
  readonly #ledger: Ledger
  readonly #lines: string[] = []
  #read = 0

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * @returns lines without their line ends
   * @throws {@link Refusal} `state_mismatch` before a manifest is set
   */
  async lines(): Promise<readonly string[]> {
    if (this.#ledger.state.manifest === undefined) {
      throw new Refusal('state_mismatch', 'there is no update log yet: no manifest is set')
    }
    for (;;) {
      // Others may read on between two pages: what is read, and that it is, stays together.
      const entries = this.#ledger.entries(this.#read, pageSize)
      for (const entry of entries) {
        this.#lines.push(...linesOf(entry))
        this.#read = entry.sequence
      }
      if (entries.length < pageSize) return this.#lines
      await setImmediate()
    }
  }
}

/** The lines of one entry; most activations have none. */
function linesOf({ time, audit }: LedgerEntry): string[] {
  const line: Line = (update, members = {}) =>
    JSON.stringify({ time: time.toISOString(), update, ...members })
  switch (audit.action) {
    case 'manifest-set':
      return [line('Initial manifest set')]
    case 'secrets-written':
      return audit.secrets.map(({ name, type }) =>
        line('Secret set', { user: audit.actor.name, secret: name, type }),
      )
    case 'packages-updated':
      return audit.packages.map(({ name, securityVersion }) =>
        line('SecurityVersion increased', {
          user: audit.actor.name,
          package: name,
          'new version': securityVersion,
        }),
      )
    case 'update-initiated':
      return updateLines(audit, line, initiatedLine(audit, line))
    case 'update-acknowledged':
      return updateLines(audit, line, line('Complete Manifest update acknowledged by user', agreement(audit)))
    case 'update-cancelled':
      return [
        line('Complete Manifest update cancelled by user', {
          user: audit.actor.name,
          manifestFingerprint: audit.fingerprint,
        }),
      ]
    case 'marble-activated':
    case 'counter-advanced':
    case 'recovered':
      return []
  }
}

type Line = (update: string, members?: Readonly<Record<string, unknown>>) => string
type UpdateStep = Extract<AuditRecord, { action: 'update-initiated' | 'update-acknowledged' }>

const agreement = ({ actor, fingerprint, missingUsers, missingAcknowledgments }: UpdateStep) => ({
  user: actor.name,
  manifestFingerprint: fingerprint,
  missingAcknowledgments,
  missingUsers,
})

function initiatedLine(step: UpdateStep, line: Line): string {
  const initiated = 'Complete Manifest update initiated by user.'
  if (step.outcome === 'pending') {
    return line(`${initiated} Waiting for acknowledgments to apply the update`, agreement(step))
  }
  const members = { user: step.actor.name, manifestFingerprint: step.fingerprint }
  return line(`${initiated} No further acknowledgements required`, members)
}

/** What the step itself says, and then what became of the update with it. */
function updateLines({ outcome, fingerprint }: UpdateStep, line: Line, step: string): string[] {
  const members = { manifestFingerprint: fingerprint }
  switch (outcome) {
    case 'pending':
      return [step]
    case 'applied':
      return [step, line('Complete Manifest updated', members)]
    case 'failed':
      return [step, line('Complete Manifest update cancelled due to error during apply', members)]
  }
}
