import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'
import { readUserIdentity } from '../deployment/user.ts'
import { readManifest } from '../manifest/manifest-file.ts'
import { showPlan } from '../manifest/show-plan.ts'
import { printedFormat } from '../output/format.ts'
import { indentedJson } from '../output/indented-json.ts'

/** What an update would do, in the manifest's words; docs/updates.md describes it. */
export const manifestUpdatePlan: CommandHandler = async (invocation) => {
  const { args, flags, stdout } = invocation
  const [file = '', host = ''] = args
  const address = parseAddress(host)
  const format = printedFormat(flags)
  const identity = readUserIdentity(flags)
  const plan = await connectPinned(invocation, address, identity).planUpdate(await readManifest(file))
  stdout(format === 'json' ? indentedJson(plan) : showPlan(plan))
  return 0
}
