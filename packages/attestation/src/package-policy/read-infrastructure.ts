import type { SnpPlatformPolicy } from '../amd/appraise.ts'
import type { IntelPlatformPolicy } from '../intel/appraise-platform.ts'
import type { NitroPlatformPolicy } from '../nitro/appraise.ts'
import { infrastructureField } from './fields.ts'
import type { InfrastructureSource } from './fields.ts'
import { Place } from './place.ts'
import type { InfrastructurePolicy } from './policy.ts'
import { snpPlatformRules, tcbMinimum } from './read-package.ts'
import type { PolicyReading } from './read-package.ts'

/** Bytes of CPUSVN (Intel DCAP quote format, enclave report body). */
const CPU_SVN_LENGTH = 16

/**
 * Reads an entry of a manifest's `Infrastructures` (docs/manifest.md): Intel's platforms by its top-level members, others by
 * `SNP` and `Nitro`.
 *
 * @param json what `JSON.parse` gives, or the like: integers may be bigints, bytes a Uint8Array
 * @returns a policy that demands something, or else a warning that it doesn't; when there are problems, one that nothing satisfies
 */
export function readInfrastructurePolicy(json: unknown): PolicyReading<InfrastructurePolicy> {
  const root = Place.root()
  const source = infrastructureField.read(json, root)
  const { problems, warnings } = root.findings
  const policy = source && problems.length === 0 ? infrastructurePolicy(source) : NOTHING
  if (source) warnOfNonsense(policy, root)
  return { policy, problems, warnings }
}

/** No chain ends at a certificate of no bytes. */
const NOTHING: InfrastructurePolicy = { intel: { rootCa: new Uint8Array() } }

function infrastructurePolicy(source: InfrastructureSource): InfrastructurePolicy {
  const { SNP, Nitro } = source
  const intel: IntelPlatformPolicy = {
    cpuSvn: nonEmpty(source.CPUSVN),
    qeSvn: source.QESVN,
    pceSvn: source.PCESVN,
    rootCa: nonEmpty(source.RootCA),
  }
  return {
    intel: Object.values(intel).some((value) => value !== undefined) ? intel : undefined,
    snp: SNP && snpPlatformPolicy(SNP),
    nitro: Nitro && ({ pcrs: Nitro.PCRs, rootCa: nonEmpty(Nitro.RootCA) } satisfies NitroPlatformPolicy),
    source,
  }
}

const snpPlatformPolicy = (source: NonNullable<InfrastructureSource['SNP']>): SnpPlatformPolicy => ({
  chipIds: source.ChipID,
  cspIds: source.CSPID,
  products: source.Products,
  signingKeys: source.SigningKeys,
  minimumTcb: tcbMinimum(source.MinimumTCB),
  minimumCommittedTcb: tcbMinimum(source.MinimumCommittedTCB),
  minimumFirmware: source.MinimumFirmware,
  platform: snpPlatformRules(source.Platform),
  rootCa: nonEmpty(source.RootCA),
})

const nonEmpty = (bytes: Uint8Array | undefined): Uint8Array | undefined =>
  bytes === undefined || bytes.length === 0 ? undefined : bytes

/** Manifests in use may hold nonsense here, because the original never looked at it: it is kept, and warned about. */
function warnOfNonsense({ intel, snp, nitro }: InfrastructurePolicy, at: Place): void {
  const length = intel?.cpuSvn?.length
  if (length !== undefined && length !== CPU_SVN_LENGTH) {
    const effect =
      length > CPU_SVN_LENGTH
        ? 'so no evidence can satisfy this'
        : 'so the components that are left out may have any value'
    at.in('CPUSVN').warn(`is ${length} bytes long, but a CPUSVN has ${CPU_SVN_LENGTH}, ${effect}`)
  }
  warnOfRoot(intel?.rootCa, at)
  warnOfRoot(snp?.rootCa, at.in('SNP'))
  warnOfRoot(nitro?.rootCa, at.in('Nitro'))
  if (!intel && !snp && !nitro) at.warn('demands nothing, so every platform satisfies it')
}

function warnOfRoot(der: Uint8Array | undefined, at: Place): void {
  // 0x30: every certificate is a DER SEQUENCE.
  if (der === undefined || der.length === 0 || der[0] === 0x30) return
  at.in('RootCA').warn('is no certificate in DER, so no evidence can satisfy this')
}
