import type { VerifiedCoordinator } from '@taw/client'
import type { Invocation } from '../command.ts'

/** Uploads one secret, and says on stdout in one line what that achieved; scripts read the number at its end. */
export async function handOver(
  { stdout, stderr }: Invocation,
  coordinator: VerifiedCoordinator,
  secret: Uint8Array,
  signature: Uint8Array,
): Promise<void> {
  const remaining = await coordinator.client().recover(secret, signature)
  if (remaining === 0) {
    stdout('The state is recovered\n')
    return
  }
  stdout(`The recovery secret was taken; parties that have not handed over theirs: ${remaining}\n`)
  stderr("With a recovery threshold in the manifest ('Config.RecoveryThreshold') not all of them are needed")
}
