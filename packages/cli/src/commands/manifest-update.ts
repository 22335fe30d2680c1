import { parseAddress, printable } from '@taw/client'
import type { CoordinatorClient, UpdateAnswer } from '@taw/client'
import type { CommandHandler, Invocation } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'
import { readUserIdentity } from '../deployment/user.ts'
import { readManifest } from '../manifest/manifest-file.ts'
import { writeOutput } from '../output/files.ts'
import { checkRecoveryOutput, handOverRecoverySecrets } from '../recovery/new-secrets.ts'

/** The shapes of stdout are the original's (golden/cli/behaviour.json). */

export const manifestUpdateApply: CommandHandler = async (invocation) => {
  const { stdout } = invocation
  const answer = await upload(invocation, (client, manifest) => client.updateManifest(manifest))
  if (answer.missingAcknowledgments === 0) {
    stdout('The manifest is updated\n')
    handOver(invocation, answer)
    return 0
  }
  stdout('The update is submitted\nIt is pending until enough users have acknowledged it\n')
  stdout(
    `${stillNeeded(answer)}\nUsers who can acknowledge: ${answer.missingUsers.map(printable).join(', ')}\n`,
  )
  return 0
}

export const manifestUpdateAcknowledge: CommandHandler = async (invocation) => {
  const { stdout } = invocation
  const answer = await upload(invocation, (client, manifest) => client.acknowledgeUpdate(manifest))
  stdout('The update is acknowledged\n')
  if (answer.missingAcknowledgments === 0) {
    stdout('All needed users agree: the new manifest is in force\n')
    handOver(invocation, answer)
    return 0
  }
  stdout(
    `${stillNeeded(answer)}\nUsers who can acknowledge: ${answer.missingUsers.map(printable).join(', ')}\n`,
  )
  return 0
}

/** The manifest as it was uploaded, then a newline; `-o` without it. */
export const manifestUpdateGet: CommandHandler = async (invocation) => {
  const [host = ''] = invocation.args
  const { manifest, missingUsers } = await connectPinned(invocation, parseAddress(host)).pendingUpdate()
  const missing = `Users who have not acknowledged: [${missingUsers.map(printable).join(' ')}]\n`
  const wantsMissing = invocation.flags.bool('missing')
  const file = invocation.flags.string('output')
  if (file !== undefined) {
    writeOutput(file, wantsMissing ? missing : manifest, 'the pending update')
    return 0
  }
  invocation.stdout(wantsMissing ? missing : Buffer.concat([manifest, Buffer.from('\n')]))
  return 0
}

export const manifestUpdateCancel: CommandHandler = async (invocation) => {
  const [host = ''] = invocation.args
  const address = parseAddress(host)
  await connectPinned(invocation, address, readUserIdentity(invocation.flags)).cancelUpdate()
  invocation.stdout('The pending update is cancelled\n')
  return 0
}

async function upload(
  invocation: Invocation,
  send: (client: CoordinatorClient, manifest: Uint8Array) => Promise<UpdateAnswer>,
): Promise<UpdateAnswer> {
  const { args, flags } = invocation
  const [file = '', host = ''] = args
  const address = parseAddress(host)
  const identity = readUserIdentity(flags)
  // The Coordinator gives new recovery secrets once, so that they can be saved is known before.
  checkRecoveryOutput(flags)
  const manifest = await readManifest(file)
  const answer = await send(connectPinned(invocation, address, identity), manifest)
  for (const warning of answer.warnings) invocation.stderr(`Warning: ${warning}`)
  return answer
}

/** Nothing where recovery stays as it is. Without recovery keys there is nothing to keep, and something to know. */
function handOver(invocation: Invocation, { recoverySecrets }: UpdateAnswer): void {
  if (recoverySecrets === undefined) return
  if (recoverySecrets.size > 0)
    handOverRecoverySecrets(invocation, recoverySecrets, 'The manifest is updated')
  else
    invocation.stderr('Warning: the manifest has no recovery keys any more: the state can not be recovered')
}

const stillNeeded = ({ missingAcknowledgments }: UpdateAnswer): string =>
  `${missingAcknowledgments} user(s) still needed`
