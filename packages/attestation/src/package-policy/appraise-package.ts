import { appraiseSnp } from '../amd/appraise.ts'
import type { SnpClaims } from '../amd/verify.ts'
import { appraiseAzureVtpm } from '../azure/appraise.ts'
import type { AzureVtpmPolicy } from '../azure/appraise.ts'
import type { AzureVtpmClaims } from '../azure/verify.ts'
import type { CcaClaims } from '../cca/verify.ts'
import { toHex } from '../core/encoding.ts'
import { PolicyMismatch } from '../core/errors.ts'
import type { Check, EvidenceKind, Verified } from '../core/result.ts'
import { appraiseSgx } from '../intel/appraise-sgx.ts'
import { appraiseTdx } from '../intel/appraise-tdx.ts'
import type { SgxClaims, TdxClaims } from '../intel/verify.ts'
import { appraiseNitro } from '../nitro/appraise.ts'
import type { NitroPolicy } from '../nitro/appraise.ts'
import type { NitroClaims } from '../nitro/verify.ts'
import type { PackagePolicy } from './policy.ts'

/** What any verifier of this package may return. */
export type VerifiedClaims =
  | Verified<SgxClaims>
  | Verified<TdxClaims>
  | Verified<SnpClaims>
  | Verified<NitroClaims>
  | Verified<AzureVtpmClaims>
  | Verified<CcaClaims>

/** What ties evidence to this very request or connection. All that are given have to match. */
export interface EvidenceBindings {
  /** For SGX, TDX and SEV-SNP: up to 64 bytes, followed by zeros in the report. */
  readonly reportData?: Uint8Array | undefined
  /** For Nitro and Azure's vTPM. */
  readonly nonce?: Uint8Array | undefined
  /** For Nitro, and for Azure's vTPM (up to 64 bytes there, followed by zeros). */
  readonly userData?: Uint8Array | undefined
  /** For Nitro: DER of the public key in the document. */
  readonly publicKey?: Uint8Array | undefined
}

/** Bytes of REPORTDATA (SGX, TDX, SEV-SNP), and of the user data in Azure's runtime data. */
const REPORT_DATA_LENGTH = 64

/** How messages call the kinds, and the members of a package that are about them. */
const KINDS = {
  'sgx-quote': { name: 'SGX', policy: 'sgx', bindings: ['reportData'] },
  'tdx-quote': { name: 'TDX', policy: 'tdx', bindings: ['reportData'] },
  'snp-report': { name: 'SEV-SNP', policy: 'snp', bindings: ['reportData'] },
  'nitro-document': { name: 'Nitro', policy: 'nitro', bindings: ['nonce', 'userData', 'publicKey'] },
  'azure-vtpm': { name: 'Azure vTPM', policy: 'azureVtpm', bindings: ['nonce', 'userData'] },
  'cca-token': { name: 'Arm CCA', policy: undefined, bindings: [] },
} as const satisfies Record<
  EvidenceKind,
  { name: string; policy: keyof PackagePolicy | undefined; bindings: readonly (keyof EvidenceBindings)[] }
>

/**
 * Compares verified evidence of any kind with a package.
 *
 * @param bindings each that is given has to be one that evidence of this kind can hold, and has to match
 * @returns the comparisons, all of them passed
 * @throws PolicyMismatch at the first that fails: `evidence-kind` when the package doesn't accept this kind, `binding` when
 *   the evidence can't hold one, else that of `appraiseSgx`, `appraiseTdx`, `appraiseSnp`, `appraiseNitro`, `appraiseAzureVtpm`
 */
export function appraisePackage(
  claims: VerifiedClaims,
  policy: PackagePolicy,
  bindings: EvidenceBindings = {},
): readonly Check[] {
  requireBindable(claims.kind, bindings)
  const reportData = padded(bindings.reportData)
  const bound = reportData !== undefined && { reportData: [reportData] }
  switch (claims.kind) {
    case 'sgx-quote':
      if (policy.sgx) return appraiseSgx(claims, { ...policy.sgx, ...(bound && { reportData }) })
      break
    case 'tdx-quote':
      if (policy.tdx) return appraiseTdx(claims, { ...policy.tdx, ...bound })
      break
    case 'snp-report':
      if (policy.snp) return appraiseSnp(claims, { ...policy.snp, ...bound })
      break
    case 'nitro-document':
      if (policy.nitro) return appraiseNitro(claims, { ...policy.nitro, ...nitroBindings(bindings) })
      break
    case 'azure-vtpm':
      if (policy.azureVtpm) {
        return appraiseAzureVtpm(claims, { ...policy.azureVtpm, ...azureVtpmBindings(bindings) })
      }
      break
    case 'cca-token':
      break
  }
  throw notAccepted(claims.kind, policy)
}

const padded = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && toHex(bytes).padEnd(2 * REPORT_DATA_LENGTH, '0')

const nitroBindings = ({ nonce, userData, publicKey }: EvidenceBindings): NitroPolicy => ({
  ...(nonce && { nonces: [toHex(nonce)] }),
  ...(userData && { userData: [toHex(userData)] }),
  ...(publicKey && { publicKeys: [toHex(publicKey)] }),
})

const azureVtpmBindings = ({ nonce, userData }: EvidenceBindings): AzureVtpmPolicy => {
  const data = padded(userData)
  return { ...(nonce && { nonces: [toHex(nonce)] }), ...(data !== undefined && { userData: [data] }) }
}

/** A binding that isn't compared would let evidence pass that was made for somebody else. */
function requireBindable(kind: EvidenceKind, bindings: EvidenceBindings): void {
  const { name, bindings: comparable } = KINDS[kind]
  for (const [given, value] of Object.entries(bindings)) {
    if (value === undefined || comparable.some((one) => one === given)) continue
    throw new PolicyMismatch('binding', {
      message: `the evidence has to be bound by its ${given}, but evidence of ${name} has none`,
      expected: `evidence with ${given}`,
      found: `evidence of ${name}, which has ${comparable.join(', ') || 'no bindings that can be compared'}`,
      remedy: 'request evidence that is bound by what this kind has',
    })
  }
}

function notAccepted(kind: EvidenceKind, policy: PackagePolicy): PolicyMismatch {
  const accepted = Object.values(KINDS).flatMap(({ name, policy: member }) =>
    member !== undefined && policy[member] !== undefined ? [name] : [],
  )
  const expected = accepted.length > 0 ? `evidence of ${accepted.join(' or ')}` : 'nothing'
  const found = `evidence of ${KINDS[kind].name}`
  return new PolicyMismatch('evidence-kind', {
    message: 'the workload runs on another kind of TEE than the package accepts',
    expected,
    found,
    remedy: 'run the workload on a TEE that the package names, or add this kind to the package',
  })
}
