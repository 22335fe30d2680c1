import { formatFlag, outputFlag } from '../arguments/flags.ts'
import type { CommandSpec } from '../command.ts'

/** Commands about the record of what happened. */
export const auditLogCommands: readonly CommandSpec[] = [
  {
    path: ['audit'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Print the audit log and verify its chain',
    flags: [
      { name: 'from', type: 'string', default: '1', means: 'sequence number of the first record' },
      { name: 'limit', type: 'string', means: 'at most so many records; all by default' },
      formatFlag('json', 'json (one object a line) or text'),
      {
        name: 'known',
        type: 'strings',
        means: 'SEQUENCE:HASH of a record that was noted before, which must still be there',
      },
      outputFlag(),
    ],
    load: async () => (await import('../commands/audit.ts')).audit,
  },
  {
    path: ['ledger', 'inspect'],
    arguments: 'DIR',
    count: [1, 1],
    about: 'Print the public records of a seal directory and verify their chain; needs no key',
    flags: [outputFlag()],
    load: async () => (await import('../commands/ledger-inspect.ts')).ledgerInspect,
  },
]
