import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'
import { writeOutput } from '../output/files.ts'

/** One JSON object a line, as the Coordinator keeps them; `-o` without a newline at the end. */
export const manifestLog: CommandHandler = async (invocation) => {
  const [host = ''] = invocation.args
  const lines = (await connectPinned(invocation, parseAddress(host)).updateLog()).map((line) =>
    line.trimEnd(),
  )
  const file = invocation.flags.string('output')
  if (file === undefined) invocation.stdout(lines.map((line) => `${line}\n`).join(''))
  else writeOutput(file, lines.join('\n'), 'the update log')
  return 0
}
