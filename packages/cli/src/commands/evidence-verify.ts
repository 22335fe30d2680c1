import { EvidenceInvalid, evidenceClaimsJson, evidenceVerifier } from '@taw/attestation'
import type {
  EvidenceCollateral,
  EvidenceKind,
  FoundEvidence,
  PackagePolicy,
  VerifiedClaims,
} from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import type { FlagValues } from '../arguments/flag.ts'
import type { CommandHandler, Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { readCollateral } from '../evidence/collateral-files.ts'
import { describeResult } from '../evidence/describe.ts'
import { INVALID, UNUSABLE } from '../evidence/exit-codes.ts'
import { timeOf } from '../evidence/time.ts'
import { printedFormat } from '../output/format.ts'
import { indentedJson } from '../output/indented-json.ts'
import { readPolicyFile } from '../evidence/policy-file.ts'
import { isKind, kinds, readEvidence } from '../evidence/read-evidence.ts'
import { judge } from '../evidence/judge.ts'
import { invalidResult, unusableResult } from '../evidence/result.ts'
import type { VerificationResult } from '../evidence/result.ts'

/** Whether evidence is genuine, and what a policy allows. No network: all that is needed are files. */
export const evidenceVerify: CommandHandler = async (invocation) => {
  const { flags, stdout } = invocation
  const format = printedFormat(flags, UNUSABLE)
  try {
    const result = await resultOf(invocation)
    stdout(
      format === 'json' ? indentedJson(result) : describeResult(result, flags.string('policy') !== undefined),
    )
    return result.verdict === 'valid' ? 0 : INVALID
  } catch (error) {
    if (format === 'json' && error instanceof CliError) stdout(indentedJson(unusableResult(error.message)))
    throw error
  }
}

async function resultOf({ args, flags, stderr }: Invocation): Promise<VerificationResult> {
  const [file = ''] = args
  const at = timeOf(flags, new Date(), UNUSABLE)
  const expected = expectedKind(flags)
  const policy = await readPolicyFile(flags, stderr)
  const read = readEvidence(file, expected)
  const collateral = collateralIn(flags.strings('collateral') ?? [], at, stderr)
  if (!read.evidence) return invalidResult(read.kind, read.error)
  if (collateral instanceof EvidenceInvalid) return invalidResult(read.evidence.kind, collateral)
  return verify(read.evidence, collateral, policy, at)
}

/** Collateral that can't be read vouches for nothing, like collateral that is missing. A place that isn't there is an error. */
function collateralIn(
  places: readonly string[],
  at: Date,
  warn: (line: string) => void,
): EvidenceCollateral | EvidenceInvalid {
  try {
    return readCollateral(places, at, warn)
  } catch (error) {
    if (error instanceof CliError && error.cause instanceof EvidenceInvalid) return error.cause
    throw error
  }
}

function expectedKind(flags: FlagValues): EvidenceKind | undefined {
  const text = flags.string('kind')
  if (text === undefined || isKind(text)) return text
  throw new CliError(`--kind ${JSON.stringify(text)}: the kinds are ${kinds().join(', ')}`, {
    exitCode: UNUSABLE,
  })
}

async function verify(
  evidence: FoundEvidence,
  collateral: EvidenceCollateral,
  policy: PackagePolicy | undefined,
  at: Date,
): Promise<VerificationResult> {
  const verifier = evidenceVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
  let claims: VerifiedClaims
  try {
    claims = await verifier.verify(evidence, collateral, at)
  } catch (error) {
    if (!(error instanceof EvidenceInvalid)) throw error
    return invalidResult(evidence.kind, error)
  }
  return judge({ claims, json: await evidenceClaimsJson(claims, evidence, nodeCrypto) }, policy)
}
