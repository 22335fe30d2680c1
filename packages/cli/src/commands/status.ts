import { parseAddress } from '@taw/client'
import type { CommandHandler } from '../command.ts'
import { connectPinned } from '../deployment/connect.ts'

/** One line, `CODE: MESSAGE`, alone on stdout. */
export const status: CommandHandler = async (invocation) => {
  const [host = ''] = invocation.args
  const { code, message } = await connectPinned(invocation, parseAddress(host)).status()
  invocation.stdout(`${code}: ${message.replaceAll('\n', ' ')}\n`)
  return 0
}
