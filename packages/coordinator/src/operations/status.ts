import type { Ports } from './ports.ts'

/** Codes of spec/README.md, "States". */
export const stateCodes = { recovery: 1, acceptingManifest: 2, acceptingMarbles: 3 } as const

export interface Status {
  readonly code: (typeof stateCodes)[keyof typeof stateCodes]
  readonly message: string
}

/** In which state the Coordinator is, and what can be done in it. */
export function readStatus({ ledger, simulation }: Pick<Ports, 'ledger' | 'simulation'>): Status {
  const status = statusOf(ledger)
  return simulation
    ? {
        ...status,
        message: `${status.message} SIMULATION: nothing is attested, do not trust this Coordinator.`,
      }
    : status
}

function statusOf(ledger: Ports['ledger']): Status {
  if (ledger.state.manifest !== undefined) {
    return { code: stateCodes.acceptingMarbles, message: 'The manifest is set; marbles can activate.' }
  }
  if (ledger.recoveryReason !== undefined) {
    return {
      code: stateCodes.recovery,
      message:
        `The sealed state could not be opened: ${ledger.recoveryReason}. ` +
        'Upload recovery secrets, or set a new manifest (the old state is kept aside).',
    }
  }
  return { code: stateCodes.acceptingManifest, message: 'Waiting for a manifest.' }
}
