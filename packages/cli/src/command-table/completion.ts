import type { Flag } from '../arguments/flag.ts'
import type { CommandSpec } from '../command.ts'
import type { Shell } from '../completion/scripts.ts'

/** The scripts have none, so the flag changes nothing; existing profiles give it. */
const flags: readonly Flag[] = [
  { name: 'no-descriptions', type: 'bool', means: 'without descriptions, which there are none of' },
]

const completionOf = (shell: Shell): CommandSpec => ({
  path: ['completion', shell],
  arguments: '',
  count: [0, 0],
  about: `Print the completion script for ${shell}`,
  flags,
  load: async () => (await import('../commands/completion.ts')).completion(shell),
})

/** Commands that print what shells complete command lines with. */
export const completionCommands: readonly CommandSpec[] = [
  completionOf('bash'),
  completionOf('zsh'),
  completionOf('fish'),
  completionOf('powershell'),
]
