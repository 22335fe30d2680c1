import { certificateFiles, forceFlag, outputFlag, userFlags } from '../arguments/flags.ts'
import type { CommandSpec } from '../command.ts'

/** Commands about the secrets, the certificates and the state of a deployment. */
export const deploymentCommands: readonly CommandSpec[] = [
  {
    path: ['secret', 'set'],
    arguments: '<secret_file> HOST:PORT',
    count: [2, 2],
    about: 'Set user-defined secrets',
    flags: [{ name: 'from-pem', type: 'string', means: 'name of the secret that a PEM file is for' }],
    inheritedFlags: userFlags,
    load: async () => (await import('../commands/secret-set.ts')).secretSet,
  },
  {
    path: ['secret', 'get'],
    arguments: 'SECRETNAME ... HOST:PORT',
    count: [2, Infinity],
    about: 'Read secrets',
    flags: [outputFlag(), forceFlag],
    inheritedFlags: userFlags,
    load: async () => (await import('../commands/secret-get.ts')).secretGet,
  },
  {
    path: ['certificate', 'root'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Save the root certificate',
    flags: [outputFlag(certificateFiles.root)],
    load: async () => (await import('../commands/certificate.ts')).certificateRoot,
  },
  {
    path: ['certificate', 'intermediate'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Save the intermediate certificate',
    flags: [outputFlag(certificateFiles.intermediate)],
    load: async () => (await import('../commands/certificate.ts')).certificateIntermediate,
  },
  {
    path: ['certificate', 'chain'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Save the certificate chain: intermediate, then root',
    flags: [outputFlag(certificateFiles.chain)],
    load: async () => (await import('../commands/certificate.ts')).certificateChain,
  },
  {
    path: ['status'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: "Print the Coordinator's state",
    flags: [],
    load: async () => (await import('../commands/status.ts')).status,
  },
]
