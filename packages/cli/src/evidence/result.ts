import type { Check, EvidenceInvalid, EvidenceKind, PolicyMismatch, VerifiedClaims } from '@taw/attestation'

/** What `taw evidence verify --format json` prints; docs/evidence.md describes it. */
export interface VerificationResult {
  readonly verdict: 'valid' | 'invalid'
  /** null when nothing tells what the file should be. */
  readonly kind: EvidenceKind | null
  /** Intel's word on the platform; null for kinds that have none, and where it was not reached. */
  readonly tcbStatus: string | null
  readonly advisories: readonly string[]
  /** null unless the evidence is genuine. */
  readonly claims: Readonly<Record<string, unknown>> | null
  readonly checks: readonly CheckJson[]
  readonly error?: ErrorJson
}

interface CheckJson {
  readonly name: string
  readonly outcome: Check['outcome']
  readonly expected: string | null
  readonly found: string | null
}

interface ErrorJson {
  readonly check: string
  readonly message: string
  readonly expected: string
  readonly found: string
  readonly remedy: string
}

export interface Genuine {
  readonly claims: VerifiedClaims
  readonly json: Readonly<Record<string, unknown>>
}

/** @param appraised the checks of the policy, if there was one; all passed */
export function validResult({ claims, json }: Genuine, appraised: readonly Check[]): VerificationResult {
  return {
    verdict: 'valid',
    kind: claims.kind,
    ...tcbOf(claims),
    claims: json,
    checks: [...claims.checks, ...appraised].map(checkJson),
  }
}

/** Evidence that is not genuine: nothing that it claims is shown. */
export function invalidResult(kind: EvidenceKind | undefined, error: EvidenceInvalid): VerificationResult {
  return {
    verdict: 'invalid',
    kind: kind ?? null,
    tcbStatus: error.check === 'tcb-level' ? NO_LEVEL : null,
    advisories: [],
    claims: null,
    checks: error.checks.map(checkJson),
    error: errorJson(error),
  }
}

/** Nothing was looked at: the command or a file can't be used. */
export function unusableResult(message: string): VerificationResult {
  return {
    verdict: 'invalid',
    kind: null,
    tcbStatus: null,
    advisories: [],
    claims: null,
    checks: [],
    error: {
      check: 'input',
      message,
      expected: 'flags and files that can be used',
      found: 'others',
      remedy: 'correct the command, or the file that it names; nothing was verified',
    },
  }
}

/** Genuine evidence that the policy doesn't allow. */
export function mismatchResult({ claims, json }: Genuine, error: PolicyMismatch): VerificationResult {
  return {
    verdict: 'invalid',
    kind: claims.kind,
    ...tcbOf(claims),
    claims: json,
    checks: [...claims.checks, ...error.checks].map(checkJson),
    error: errorJson(error),
  }
}

/** What Intel's documents call a platform that is below every level of its TCB info. */
const NO_LEVEL = 'NoMatchingTcbLevel'

/** Of a quote, or of the quote that an Azure VM shows for its hardware. */
export function tcbOf(claims: VerifiedClaims): Pick<VerificationResult, 'tcbStatus' | 'advisories'> {
  const intel = claims.kind === 'azure-vtpm' ? claims.hardware : claims
  if (intel.kind !== 'sgx-quote' && intel.kind !== 'tdx-quote') return { tcbStatus: null, advisories: [] }
  return { tcbStatus: intel.tcb.status, advisories: intel.tcb.advisories }
}

const checkJson = ({ name, outcome, expected, found }: Check): CheckJson => ({
  name,
  outcome,
  expected: expected ?? null,
  found: found ?? null,
})

const errorJson = ({
  check,
  message,
  expected,
  found,
  remedy,
}: EvidenceInvalid | PolicyMismatch): ErrorJson => ({
  check,
  message,
  expected,
  found,
  remedy: remedy ?? remedyFor(check),
})

/** What to do where the library leaves it open, by the check's name. */
function remedyFor(check: string): string {
  if (check === 'collateral-format') {
    return "give the file as the vendor's service sent it, or leave it away"
  }
  if (/(?:chain|certificate|crl|tcb-info|qe-identity-document)$/.test(check)) {
    return 'give certificates and collateral that belong to this evidence; for evidence of another day, say when it was made with --time'
  }
  if (/(?:format|encoding)$/.test(check)) {
    return 'the evidence was cut or altered: give it as the TEE made it'
  }
  if (/signature|binding|digest/.test(check)) {
    return 'the evidence was altered, or its parts come from different machines: get it from the TEE anew'
  }
  return 'get new evidence from the TEE'
}
