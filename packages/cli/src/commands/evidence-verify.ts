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
import type { CommandHandler } from '../command.ts'
import { CliError } from '../errors.ts'
import { readCollateral } from '../evidence/collateral-files.ts'
import { describeResult } from '../evidence/describe.ts'
import { INVALID, UNUSABLE } from '../evidence/exit-codes.ts'
import { timeOf } from '../evidence/time.ts'
import { printedFormat } from '../output/format.ts'
import { readPolicyFile } from '../evidence/policy-file.ts'
import { isKind, kinds, readEvidence } from '../evidence/read-evidence.ts'
import { judge } from '../evidence/judge.ts'
import { invalidResult } from '../evidence/result.ts'
import type { VerificationResult } from '../evidence/result.ts'

/** Whether evidence is genuine, and what a policy allows. No network: all that is needed are files. */
export const evidenceVerify: CommandHandler = async ({ args, flags, stdout, stderr }) => {
  const [file = ''] = args
  const format = printedFormat(flags, UNUSABLE)
  const at = timeOf(flags, new Date(), UNUSABLE)
  const expected = expectedKind(flags)
  const policy = await readPolicyFile(flags, stderr)
  const collateral = readCollateral(flags.strings('collateral') ?? [], at, stderr)
  const read = readEvidence(file, expected)
  const result = read.evidence
    ? await verify(read.evidence, collateral, policy, at)
    : invalidResult(read.kind, read.error)
  stdout(
    format === 'json' ? `${JSON.stringify(result, null, 2)}\n` : describeResult(result, policy !== undefined),
  )
  return result.verdict === 'valid' ? 0 : INVALID
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
