import type { InfrastructurePolicy } from '../model.ts'
import type { InfrastructureSource } from '../schema.ts'
import type { Report } from '../report.ts'
import { entriesOf, mapEntries, type TopicContext } from './topic.ts'

/** Bytes of CPUSVN in an SGX quote (Intel DCAP quote format, enclave report body). */
const cpuSvnLength = 16

/**
 * Decodes `Infrastructures`. The original never enforced them, so manifests in use may hold nonsense here. It is
 * kept, so that no evidence satisfies it, and warned about.
 */
export function infrastructuresOf({
  source,
  report,
}: TopicContext): ReadonlyMap<string, InfrastructurePolicy> {
  const entries = entriesOf('Infrastructures', source.Infrastructures, 'infrastructures', report)
  return mapEntries(entries, (entry, name) => {
    warnOfNonsense(entry, name, report)
    return {
      cpuSvn: nonEmpty(entry.CPUSVN),
      qeSvn: entry.QESVN === undefined ? undefined : Number(entry.QESVN),
      pceSvn: entry.PCESVN === undefined ? undefined : Number(entry.PCESVN),
      rootCa: nonEmpty(entry.RootCA),
    }
  })
}

function nonEmpty(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined || bytes.length === 0 ? undefined : bytes
}

function warnOfNonsense(entry: InfrastructureSource, name: string, report: Report): void {
  const path = ['Infrastructures', name]
  const cpuSvn = nonEmpty(entry.CPUSVN)
  const rootCa = nonEmpty(entry.RootCA)
  if (cpuSvn !== undefined && cpuSvn.length !== cpuSvnLength) {
    report.warn(
      [...path, 'CPUSVN'],
      `is ${cpuSvn.length} bytes long, but a CPUSVN has ${cpuSvnLength}, so no evidence can satisfy this`,
    )
  }
  // 0x30: every certificate is a DER SEQUENCE.
  if (rootCa !== undefined && rootCa[0] !== 0x30) {
    report.warn([...path, 'RootCA'], 'is no certificate in DER, so no evidence can satisfy this')
  }
  if (
    cpuSvn === undefined &&
    rootCa === undefined &&
    entry.QESVN === undefined &&
    entry.PCESVN === undefined
  ) {
    report.warn(path, 'demands nothing, so every platform satisfies it')
  }
}
