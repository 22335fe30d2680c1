// The import rules of ARCHITECTURE.md. A package may import what its row names; inside the Coordinator,
// transports → operations → domain folders; providers and backends meet only in main.ts.
const packages = {
  attestation: [],
  protocol: [],
  evidence: [],
  collateral: ['attestation'],
  'tee-kit': [],
  coordinator: ['attestation', 'collateral', 'evidence', 'protocol'],
  client: ['attestation', 'collateral', 'protocol'],
  marble: ['evidence', 'protocol'],
  cli: ['attestation', 'client', 'collateral', 'marble', 'protocol'],
}
/** Single files of other packages that a package may import besides. */
const files = {
  // `taw ledger inspect` reads what the Coordinator writes: one reader for both. It uses no key and changes nothing.
  // `taw manifest diff` compares manifests as a dry run of an update does: one reader, one comparison.
  cli: ['coordinator/src/ledger/inspect\\.ts', 'coordinator/src/manifest/compare/offline\\.ts'],
}
const tests = '\\.test\\.ts$'

const packageRules = Object.entries(packages).map(([name, allowed]) => ({
  name: `${name}-imports`,
  comment: `packages/${name} may import ${allowed.join(', ') || 'no other package of this project'}`,
  severity: 'error',
  from: { path: `^packages/${name}/`, pathNot: tests },
  to: {
    path: '^packages/',
    pathNot: [
      `^packages/(${[name, ...allowed].join('|')})/`,
      ...(files[name] ?? []).map((file) => `^packages/${file}$`),
    ],
  },
}))

const domain = 'manifest|policy|secrets|templates|pki|access|recovery|state|ledger|sealing|evidence'

module.exports = {
  forbidden: [
    ...packageRules,
    {
      name: 'domain-imports-no-operation-or-transport',
      severity: 'error',
      from: { path: `^packages/coordinator/src/(${domain})/`, pathNot: tests },
      to: { path: '^packages/coordinator/src/(operations|transports)/' },
    },
    {
      name: 'operations-import-no-transport',
      severity: 'error',
      from: { path: '^packages/coordinator/src/operations/', pathNot: tests },
      to: { path: '^packages/coordinator/src/transports/' },
    },
    {
      name: 'providers-are-chosen-in-run',
      comment: 'which TEE seals and attests is decided in one place',
      severity: 'error',
      from: {
        path: '^packages/coordinator/src/',
        pathNot: `${tests}|/test-[^/]+\\.ts$|^packages/coordinator/src/run\\.ts$|/providers/`,
      },
      to: { path: '^packages/coordinator/src/[^/]+/providers/' },
    },
    {
      name: 'backends-belong-to-the-ledger',
      comment:
        'a ledger in a seal directory is SQLite, and one in memory keeps nothing; nobody else knows them',
      severity: 'error',
      from: { path: '^packages/coordinator/src/', pathNot: `${tests}|^packages/coordinator/src/ledger/` },
      to: { path: '^packages/coordinator/src/ledger/backends/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'runtime-dependencies-only',
      comment: 'what ships imports only what its own package.json names; tests and their helpers don’t ship',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: `${tests}|/test-[^/]+\\.ts$` },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'attestation-is-pure',
      comment: 'no network, no clock, no files: evidence, collateral and time are arguments',
      severity: 'error',
      from: { path: '^packages/attestation/src/', pathNot: tests },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|tls|http|https|http2|dgram|child_process|worker_threads)',
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
}
