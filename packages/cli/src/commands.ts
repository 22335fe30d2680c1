import type { CommandSpec, GroupSpec } from './command.ts'
import { auditLogCommands } from './command-table/audit-log.ts'
import { completionCommands } from './command-table/completion.ts'
import { deploymentCommands } from './command-table/deployment.ts'
import { evidenceCommands } from './command-table/evidence.ts'
import { manifestCommands } from './command-table/manifest.ts'
import { recoveryCommands } from './command-table/recovery.ts'

/** Words that only hold commands together. */
export const groups: readonly GroupSpec[] = [
  { name: 'manifest', about: 'Set, read and verify the manifest of a deployment' },
  { name: 'manifest update', about: 'Change the manifest of a deployment, and see first what that would do' },
  { name: 'secret', about: 'Set and read secrets' },
  { name: 'certificate', about: "Fetch the Coordinator's certificates" },
  { name: 'collateral', about: 'Carry what vouches for evidence to machines without a network' },
  { name: 'ledger', about: 'Look into sealed state without a key' },
  { name: 'evidence', about: 'Look into evidence of TEEs, and verify it offline' },
  { name: 'completion', about: 'Teach a shell to complete command lines' },
]

/** Every command, in the order of the help. A new one is a row in command-table/ and a file in commands/. */
export const commands: readonly CommandSpec[] = [
  ...manifestCommands,
  ...deploymentCommands,
  ...recoveryCommands,
  ...auditLogCommands,
  ...evidenceCommands,
  {
    path: ['run'],
    arguments: '-- [program [argument ...]]',
    count: [0, Infinity],
    about: 'Activate as a marble, then become the program (inside the TEE)',
    flags: [],
    readsFlags: false,
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    path: ['version'],
    arguments: '',
    count: [0, 0],
    about: 'Print the version',
    flags: [],
    load: async () => (await import('./commands/version.ts')).version,
  },
  ...completionCommands,
  {
    path: ['__complete'],
    arguments: '=TYPED [WORD ...]',
    count: [1, Infinity],
    about: 'Print what may stand in place of a word of a command line',
    flags: [],
    readsFlags: false,
    hidden: true,
    load: async () => (await import('./commands/completion.ts')).complete(commands),
  },
]
