import { collateralServiceFlags, formatFlags, outputFlag } from '../arguments/flags.ts'
import type { CommandSpec } from '../command.ts'

/** Commands about evidence of TEEs, and what vouches for it. */
export const evidenceCommands: readonly CommandSpec[] = [
  {
    path: ['evidence', 'show'],
    arguments: 'FILE',
    count: [1, 1],
    about: 'Print what stands in evidence of any kind, without verifying it',
    flags: [...formatFlags],
    usageExitCode: 2,
    load: async () => (await import('../commands/evidence-show.ts')).evidenceShow,
  },
  {
    path: ['evidence', 'verify'],
    arguments: 'FILE',
    count: [1, 1],
    about: 'Verify evidence of any kind, offline, with the collateral that is given',
    flags: [
      {
        name: 'collateral',
        type: 'repeated',
        means: 'file or folder with collateral, each file known by its content; may be repeated',
      },
      { name: 'time', type: 'string', default: 'now', means: 'time to verify for, RFC 3339' },
      { name: 'kind', type: 'string', means: 'kind that the evidence has to be' },
      {
        name: 'policy',
        type: 'string',
        means: "what the workload has to be: an entry of a manifest's Packages, or a manifest",
      },
      { name: 'package', type: 'string', means: 'name of the package in the manifest of --policy' },
      ...formatFlags,
    ],
    usageExitCode: 2,
    load: async () => (await import('../commands/evidence-verify.ts')).evidenceVerify,
  },
  {
    path: ['package-info'],
    arguments: '<path>',
    count: [1, 1],
    about: "Print what a manifest's Packages says of a signed enclave, or of the workload in evidence",
    flags: [...formatFlags],
    load: async () => (await import('../commands/package-info.ts')).packageInfo,
  },
  {
    path: ['collateral', 'export'],
    arguments: 'EVIDENCE|FMSPC ... -o FILE',
    count: [1, Infinity],
    about: 'Fetch what evidence or a kind of platform needs, and write it as one file',
    flags: [
      outputFlag(),
      { name: 'tee', type: 'strings', default: '[sgx,tdx]', means: 'for an FMSPC: which TEEs' },
      ...collateralServiceFlags,
    ],
    load: async () => (await import('../commands/collateral.ts')).collateralExport,
  },
  {
    path: ['collateral', 'import'],
    arguments: 'FILE --cache DIR',
    count: [1, 1],
    about: 'Verify the documents of an exported file, and put them into a cache directory; needs no network',
    flags: [{ name: 'cache', type: 'string', means: "a Coordinator's directory for collateral (required)" }],
    load: async () => (await import('../commands/collateral.ts')).collateralImport,
  },
]
