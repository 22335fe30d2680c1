import { Counter, type Registry } from '@prometheus-io/client'
import type { RefusalCode } from '@taw/protocol'

export interface RefusalCounter {
  readonly count: (api: 'mesh' | 'client', code: RefusalCode) => void
}

/** Codes are a closed list (packages/protocol/src/refusal-codes.ts). */
export function refusalCounter(registry: Registry): RefusalCounter {
  const refusals = new Counter({
    name: 'taw_refusals_total',
    help: 'Requests that were refused, by API and code of the refusal; "internal" is a defect.',
    labelNames: ['api', 'code'],
    registers: [registry],
  })
  return {
    count: (api, code) => {
      refusals.inc({ api, code })
    },
  }
}
