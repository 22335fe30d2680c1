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

export const recoveryDataFlag: Flag = {
  name: 'recoverydata',
  short: 'r',
  type: 'string',
  means: 'file for recovery secrets instead of stdout',
}

/** Ours, of commands whose result is for people or for programs. */
export const formatFlag: Flag = {
  name: 'output',
  type: 'string',
  default: 'text',
  means: "'text' for people, or 'json'",
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
