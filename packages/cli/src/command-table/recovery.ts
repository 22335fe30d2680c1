import { forceFlag, outputFlag, recoveryKeyFlags } from '../arguments/flags.ts'
import type { CommandSpec } from '../command.ts'

/** Commands for recovery parties. */
export const recoveryCommands: readonly CommandSpec[] = [
  {
    path: ['recover'],
    arguments: '<recovery_key_file> HOST:PORT',
    count: [2, 2],
    about: 'Verify the Coordinator and hand it a recovery secret, signed with the recovery key',
    flags: recoveryKeyFlags,
    load: async () => (await import('../commands/recover.ts')).recover,
  },
  {
    path: ['recover-with-signature'],
    arguments: '<recovery_key_file> HOST:PORT',
    count: [2, 2],
    about: 'The same for a recovery key that is kept offline: hand over a secret with its signature',
    flags: [
      {
        name: 'signature',
        short: 's',
        type: 'string',
        means: "file with the signature of 'sign-secret' (required)",
      },
    ],
    load: async () => (await import('../commands/recover-with-signature.ts')).recoverWithSignature,
  },
  {
    path: ['recover-with-signature', 'public-key'],
    arguments: 'HOST:PORT',
    count: [1, 1],
    about: 'Verify the Coordinator and print the key to which recovery secrets are encrypted',
    flags: [outputFlag(), forceFlag],
    load: async () =>
      (await import('../commands/recover-with-signature-public-key.ts')).recoverWithSignaturePublicKey,
  },
  {
    path: ['recover-with-signature', 'encrypt-secret'],
    arguments: '<recovery_key_file>',
    count: [1, 1],
    about: "Offline: encrypt a recovery secret to the Coordinator's public key",
    flags: [
      {
        name: 'coordinator-pub-key',
        type: 'string',
        means: "PEM file with the Coordinator's public key (required)",
      },
      ...recoveryKeyFlags,
      outputFlag(),
      forceFlag,
    ],
    load: async () =>
      (await import('../commands/recover-with-signature-encrypt-secret.ts'))
        .recoverWithSignatureEncryptSecret,
  },
  {
    path: ['recover-with-signature', 'sign-secret'],
    arguments: '<recovery_key_file>',
    count: [1, 1],
    about: 'Offline: sign a recovery secret with the recovery key',
    flags: [...recoveryKeyFlags, outputFlag(), forceFlag],
    load: async () =>
      (await import('../commands/recover-with-signature-sign-secret.ts')).recoverWithSignatureSignSecret,
  },
]
