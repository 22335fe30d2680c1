import type { CommandHandler } from '../command.ts'
import { fingerprint, readManifest } from '../manifest/manifest-file.ts'

/** 64 hex digits, alone on stdout. No network. */
export const manifestSignature: CommandHandler = async ({ args, stdout }) => {
  const [file = ''] = args
  stdout(`${fingerprint(await readManifest(file))}\n`)
  return 0
}
