import type { CommandHandler } from '../command.ts'
import packageInfo from '../../package.json' with { type: 'json' }

/** Put in by the build (`TAW_COMMIT`); the sources as they stand know no commit. */
declare const TAW_COMMIT: string | undefined

/** Three lines in the recorded shape; the blank after the version is part of it. */
export const version: CommandHandler = ({ stdout }) => {
  const commit = typeof TAW_COMMIT === 'string' ? TAW_COMMIT : 'not built from a commit'
  stdout(`CLI version: v${packageInfo.version} \n`)
  stdout(`Commit: ${commit}\n`)
  stdout('Coordinator version: not known, no cluster was asked\n')
  return Promise.resolve(0)
}
