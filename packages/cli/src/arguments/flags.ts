import type { Flag } from './flag.ts'

/** Flags of all commands (golden/cli/flags.json, `global`). */
export const globalFlags: readonly Flag[] = [
  {
    name: 'accepted-advisories',
    type: 'strings',
    means: 'Intel advisories tolerated with the TCB status SWHardeningNeeded; empty tolerates all',
  },
  {
    name: 'accepted-tcb-statuses',
    type: 'strings',
    default: '[UpToDate,SWHardeningNeeded]',
    means: 'TCB statuses of the Coordinator that are tolerated',
  },
  {
    name: 'coordinator-cert',
    type: 'string',
    default: '<config folder>/taw/coordinators/<host>_<port>.pem',
    means: 'file of the pinned certificate chain',
  },
  {
    name: 'era-config',
    type: 'string',
    means: 'JSON file that says what the Coordinator must be; ./era-config.json if it is there',
  },
  {
    name: 'insecure',
    short: 'i',
    type: 'bool',
    means: 'verify neither quote nor TLS certificate; for simulation only',
  },
  { name: 'namespace', short: 'n', type: 'string', default: 'marblerun', means: 'Kubernetes namespace' },
  {
    name: 'nonce',
    type: 'string',
    means: 'text that goes into the report data of the quote; random by default',
  },
  { name: 'save-sgx-quote', type: 'string', means: 'file to save the quote to' },
]

/** Flags that say which user calls, and with what key. */
export const userFlags: readonly Flag[] = [
  { name: 'cert', short: 'c', type: 'string', means: 'PEM certificate of the user' },
  { name: 'key', short: 'k', type: 'string', means: 'PEM private key of the user, not encrypted' },
  { name: 'pkcs11-cert-id', type: 'string', means: 'certificate in the token, by ID (not supported yet)' },
  {
    name: 'pkcs11-cert-label',
    type: 'string',
    means: 'certificate in the token, by label (not supported yet)',
  },
  {
    name: 'pkcs11-config',
    type: 'string',
    means: 'JSON configuration of a PKCS #11 token (not supported yet)',
  },
  { name: 'pkcs11-key-id', type: 'string', means: 'key in the token, by ID (not supported yet)' },
  { name: 'pkcs11-key-label', type: 'string', means: 'key in the token, by label (not supported yet)' },
]

/** Flags that say with what recovery key a party signs, and decrypts its secret. */
export const recoveryKeyFlags: readonly Flag[] = [
  { name: 'key', short: 'k', type: 'string', means: 'PEM private key of the recovery party, RSA' },
  ...userFlags.filter(({ name }) => /^pkcs11-(?:config|key)/.test(name)),
]

export const outputFlag = (fallback?: string): Flag => ({
  name: 'output',
  short: 'o',
  type: 'string',
  ...(fallback !== undefined && { default: fallback }),
  means: fallback === undefined ? 'file instead of stdout' : 'file to write',
})

/** In what form facts are printed; `--output` is a file, as in the original. */
export const formatFlag = (fallback: 'text' | 'json', means: string): Flag => ({
  name: 'format',
  type: 'string',
  default: fallback,
  means,
})

/** Of commands that save nothing to a file. Their `--output` was there first, and scripts use it. */
export const formatFlags: readonly Flag[] = [
  formatFlag('text', 'text or json'),
  { name: 'output', type: 'string', means: 'the former name of --format; here it names no file' },
]

/** Which services collateral comes from, and how they are reached. */
export const collateralServiceFlags: readonly Flag[] = [
  { name: 'pccs-url', type: 'string', means: "URL of a PCCS instead of Intel's own service" },
  { name: 'kds-url', type: 'string', means: "URL of a cache instead of AMD's own service" },
  { name: 'service-ca', type: 'string', means: "PEM file of the CA of the services' TLS certificates" },
  {
    name: 'accept-any-tls',
    type: 'bool',
    means: 'accept a service with a TLS certificate of its own making',
  },
  { name: 'tcb-update', type: 'string', default: 'standard', means: 'standard or early TCB info' },
]

export const recoveryDataFlag: Flag = {
  name: 'recoverydata',
  short: 'r',
  type: 'string',
  means: 'file for recovery secrets instead of stdout',
}

/** Ours: the original overwrites silently. */
export const forceFlag: Flag = {
  name: 'force',
  type: 'bool',
  means: 'overwrite an existing file',
}

/** Where `certificate …` writes to by default; existing scripts read these names. */
export const certificateFiles = {
  root: 'marblerunRootCA.crt',
  intermediate: 'marblerunIntermediateCA.crt',
  chain: 'marblerunChainCA.crt',
} as const
