import { certificateFiles, forceFlag, outputFlag, userFlags } from './arguments/flags.ts'
import type { CommandSpec, GroupSpec } from './command.ts'

/** Words that only hold commands together. */
export const groups: readonly GroupSpec[] = [
  { name: 'manifest', about: 'Set, read and verify the manifest of a deployment' },
  { name: 'secret', about: 'Set and read secrets' },
  { name: 'certificate', about: "Fetch the Coordinator's certificates" },
]

/** Every command. A new one is a row here and a file in commands/. */
export const commands: readonly CommandSpec[] = [
  {
    path: ['manifest', 'set'],
    arguments: '<manifest.json> HOST:PORT',
    count: [2, 2],
    about: 'Verify the Coordinator, pin its certificates, and give it its manifest',
    flags: [
      {
        name: 'recoverydata',
        short: 'r',
        type: 'string',
        means: 'file for recovery secrets instead of stdout',
      },
      forceFlag,
    ],
    load: async () => (await import('./commands/manifest-set.ts')).manifestSet,
  },
  {
    path: ['manifest', 'get'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Verify the Coordinator and print its manifest',
    flags: [
      {
        name: 'display-update',
        short: 'u',
        type: 'bool',
        means: 'merge package updates from the log into the manifest',
      },
      { name: 'keep-cert', type: 'bool', means: 'pin the verified certificates' },
      outputFlag(),
      { name: 'signature', short: 's', type: 'bool', means: "print the manifest's fingerprint too" },
    ],
    load: async () => (await import('./commands/manifest-get.ts')).manifestGet,
  },
  {
    path: ['manifest', 'verify'],
    arguments: '<manifest/signature> HOST:PORT',
    count: [2, 2],
    about: 'Verify the Coordinator and that it has this manifest, and pin its certificates',
    flags: [],
    load: async () => (await import('./commands/manifest-verify.ts')).manifestVerify,
  },
  {
    path: ['manifest', 'signature'],
    arguments: '<manifest.json>',
    count: [1, 1],
    about: "Print a manifest's fingerprint (SHA-256)",
    flags: [],
    load: async () => (await import('./commands/manifest-signature.ts')).manifestSignature,
  },
  {
    path: ['manifest', 'log'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Print the update log',
    flags: [outputFlag()],
    load: async () => (await import('./commands/manifest-log.ts')).manifestLog,
  },
  {
    path: ['secret', 'set'],
    arguments: '<secret_file> HOST:PORT',
    count: [2, 2],
    about: 'Set user-defined secrets',
    flags: [{ name: 'from-pem', type: 'string', means: 'name of the secret that a PEM file is for' }],
    inheritedFlags: userFlags,
    load: async () => (await import('./commands/secret-set.ts')).secretSet,
  },
  {
    path: ['secret', 'get'],
    arguments: 'SECRETNAME ... HOST:PORT',
    count: [2, Infinity],
    about: 'Read secrets',
    flags: [outputFlag(), forceFlag],
    inheritedFlags: userFlags,
    load: async () => (await import('./commands/secret-get.ts')).secretGet,
  },
  {
    path: ['certificate', 'root'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Save the root certificate',
    flags: [outputFlag(certificateFiles.root)],
    load: async () => (await import('./commands/certificate.ts')).certificateRoot,
  },
  {
    path: ['certificate', 'intermediate'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Save the intermediate certificate',
    flags: [outputFlag(certificateFiles.intermediate)],
    load: async () => (await import('./commands/certificate.ts')).certificateIntermediate,
  },
  {
    path: ['certificate', 'chain'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Save the certificate chain: intermediate, then root',
    flags: [outputFlag(certificateFiles.chain)],
    load: async () => (await import('./commands/certificate.ts')).certificateChain,
  },
  {
    path: ['status'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: "Print the Coordinator's state",
    flags: [],
    load: async () => (await import('./commands/status.ts')).status,
  },
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
]
