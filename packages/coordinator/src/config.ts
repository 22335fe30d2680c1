import path from 'node:path'
import { isIP } from 'node:net'
import { EVIDENCE_CHOICES, type EvidenceChoice, GRAMINE_ROOT, TSM_ROOT } from '@taw/evidence'
import type { Curve } from './pki/curve.ts'
import { isOwnerIndex, ownerRange, parsePcrSelection, type PcrSelection } from './sealing/tpm-settings.ts'

/** What the environment says, checked (spec/README.md, "Environment of the Coordinator"). */
export interface Config {
  readonly meshAddress: Address
  readonly clientAddress: Address
  readonly metricsAddress: Address | undefined
  /** As given; `pki/` splits it. */
  readonly dnsNames: string
  readonly sealDirectory: string
  readonly startupManifest: string | undefined
  readonly simulation: boolean
  readonly evidence: EvidenceConfig
  readonly collateral: CollateralConfig
  /** Undefined: what is detected. */
  readonly sealing: SealingKind | undefined
  /** How tpm2-tools reach the TPM. */
  readonly tpmTcti: string
  /** What stands for a signer, and for a build; undefined: the usual ones. */
  readonly tpmPcrs: {
    readonly ProductKey: PcrSelection | undefined
    readonly UniqueKey: PcrSelection | undefined
  }
  /** What notices that an older seal directory was put back (docs/sealing.md, "Rollback"). */
  readonly rollbackAnchor: 'none' | 'tpm'
  /** NV index of its counter; undefined: the usual one. */
  readonly tpmCounterIndex: number | undefined
  /** Hash of the newest entry of a ledger that is to be anchored for the first time. */
  readonly adoptedLedger: Uint8Array | undefined
  readonly development: boolean
  readonly debug: boolean
  /** Undefined: whatever the existing state has, P-256 for a new one. */
  readonly curve: Curve | undefined
}

/** Where this Coordinator's own evidence comes from (docs/evidence-providers.md). */
export interface EvidenceConfig {
  readonly provider: EvidenceChoice
  readonly gramineRoot: string
  readonly tsmRoot: string
}

/** Where what vouches for evidence comes from (docs/collateral.md). */
export interface CollateralConfig {
  /** Of Intel's service or a PCCS; undefined: Intel's; `off`: cache and bundles alone. */
  readonly pccsUrl: string | undefined
  /** PEM of the CAs of the certificates of these services. */
  readonly caFile: string | undefined
  /** Of AMD's service; undefined: AMD's; `off` as above. */
  readonly kdsUrl: string | undefined
  /** Undefined: memory alone. */
  readonly directory: string | undefined
  /** A bundle that is imported at the start. */
  readonly bundleFile: string | undefined
  readonly httpsProxy: string | undefined
  readonly noProxy: string | undefined
}

/** What keeps the key of the state (docs/sealing.md). */
export type SealingKind = 'simulation' | 'none' | 'gramine' | 'tpm'

export const sealingKinds: readonly SealingKind[] = ['simulation', 'none', 'gramine', 'tpm']

export interface Address {
  /** Undefined: all interfaces. */
  readonly host: string | undefined
  readonly port: number
}

/** The environment can't be used; the message names the variable, its value, and what it should be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export type Environment = Readonly<Record<string, string | undefined>>

/** @throws {@link ConfigError} */
export function readConfig(env: Environment, workingDirectory: string): Config {
  // An empty variable counts as absent.
  const given = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])
  const address = (name: string, otherwise: string): Address => parseAddress(name, given(name) ?? otherwise)
  const file = (name: string): string | undefined =>
    optional(env[name], (text) => path.resolve(workingDirectory, text))
  const simulation = env['OE_SIMULATION'] === '1'
  const sealDirectory = path.resolve(
    workingDirectory,
    given('EDG_COORDINATOR_SEAL_DIR') ?? 'marblerun-coordinator-data',
  )
  return {
    meshAddress: address('EDG_COORDINATOR_MESH_ADDR', ':2001'),
    clientAddress: address('EDG_COORDINATOR_CLIENT_ADDR', ':4433'),
    metricsAddress: optional(env['EDG_COORDINATOR_PROMETHEUS_ADDR'], (text) =>
      parseAddress('EDG_COORDINATOR_PROMETHEUS_ADDR', text),
    ),
    dnsNames: env['EDG_COORDINATOR_DNS_NAMES'] ?? 'localhost',
    sealDirectory,
    startupManifest: file('EDG_STARTUP_MANIFEST'),
    simulation,
    evidence: {
      provider: parseEvidence(given('TAW_EVIDENCE'), simulation),
      gramineRoot: file('TAW_EVIDENCE_GRAMINE_DIR') ?? GRAMINE_ROOT,
      tsmRoot: file('TAW_EVIDENCE_TSM_DIR') ?? TSM_ROOT,
    },
    collateral: {
      pccsUrl: serviceUrl('TAW_PCCS_URL', env),
      caFile: file('TAW_COLLATERAL_CA_FILE'),
      kdsUrl: serviceUrl('TAW_KDS_URL', env),
      // In simulation hardly anybody needs it, so that no folder is made.
      directory:
        file('TAW_COLLATERAL_DIR') ?? (simulation ? undefined : path.join(sealDirectory, 'collateral')),
      bundleFile: file('TAW_COLLATERAL_BUNDLE'),
      httpsProxy: given('HTTPS_PROXY') ?? given('https_proxy'),
      noProxy: given('NO_PROXY') ?? given('no_proxy'),
    },
    sealing: optional(env['TAW_SEALING'], parseSealing),
    tpmTcti: parseTcti(given('TAW_TPM_TCTI') ?? 'device:/dev/tpmrm0', simulation),
    tpmPcrs: {
      ProductKey: parsePcrs('TAW_TPM_PCRS_PRODUCT_KEY', env),
      UniqueKey: parsePcrs('TAW_TPM_PCRS_UNIQUE_KEY', env),
    },
    rollbackAnchor: parseRollbackAnchor(given('TAW_ROLLBACK_ANCHOR') ?? 'none'),
    tpmCounterIndex: optional(env['TAW_TPM_COUNTER_INDEX'], parseCounterIndex),
    adoptedLedger: parseAdoptedLedger(env),
    development: env['EDG_COORDINATOR_DEV_MODE'] === '1',
    debug: env['EDG_DEBUG_LOGGING'] === '1',
    curve: optional(env['TAW_PKI_CURVE'], parseCurve),
  }
}

function optional<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined || text === '' ? undefined : parse(text)
}

function parseEvidence(text: string | undefined, simulation: boolean): EvidenceChoice {
  if (text === undefined) return simulation ? 'none' : 'auto'
  const choice = EVIDENCE_CHOICES.find((candidate) => candidate === text)
  if (choice === undefined) {
    throw new ConfigError(`TAW_EVIDENCE is "${text}"; it must be one of ${EVIDENCE_CHOICES.join(', ')}`)
  }
  if (choice === 'none' && !simulation) {
    throw new ConfigError(
      'TAW_EVIDENCE is "none", so that nobody could tell this Coordinator from an impostor; choose what gives ' +
        'evidence, or, to try things out without any protection, set OE_SIMULATION=1',
    )
  }
  if (choice !== 'none' && simulation) {
    throw new ConfigError(
      `TAW_EVIDENCE is "${text}", and OE_SIMULATION is 1: a Coordinator in simulation admits anyone, so it must not ` +
        'show evidence of a TEE; remove one of the two',
    )
  }
  return choice
}

function serviceUrl(variable: string, env: Environment): string | undefined {
  return optional(env[variable], (text) => {
    if (text === 'off' || (URL.canParse(text) && new URL(text).protocol === 'https:')) return text
    throw new ConfigError(`${variable} is "${text}"; it must be an https:// URL, or "off"`)
  })
}

function parseSealing(text: string): SealingKind {
  const kind = sealingKinds.find((candidate) => candidate === text)
  if (kind !== undefined) return kind
  throw new ConfigError(`TAW_SEALING is "${text}"; it must be one of ${sealingKinds.join(', ')}`)
}

/** Others lead out of the machine (`swtpm`, `mssim`), where the host would be the TPM, or start a program (`cmd`). */
const localTcti = /^(?:device:\/dev\/[\w-]+|tabrmd)$/

function parseTcti(text: string, simulation: boolean): string {
  if (simulation || localTcti.test(text)) return text
  throw new ConfigError(
    `TAW_TPM_TCTI is "${text}"; outside of simulation it must be a device of this machine, as in "device:/dev/tpmrm0", or "tabrmd"`,
  )
}

function parsePcrs(variable: string, env: Environment): PcrSelection | undefined {
  return optional(env[variable], (text) => {
    try {
      return parsePcrSelection(text)
    } catch (error) {
      throw new ConfigError(`${variable}: ${error instanceof Error ? error.message : String(error)}`)
    }
  })
}

function parseRollbackAnchor(text: string): 'none' | 'tpm' {
  if (text === 'none' || text === 'tpm') return text
  throw new ConfigError(`TAW_ROLLBACK_ANCHOR is "${text}"; it must be "none" or "tpm"`)
}

function parseCounterIndex(text: string): number {
  const index = /^0x[0-9A-Fa-f]{1,8}$/.test(text) ? Number(text) : Number.NaN
  if (isOwnerIndex(index)) return index
  throw new ConfigError(
    `TAW_TPM_COUNTER_INDEX is "${text}"; it must be an NV index in the owner's range, ${ownerRange}, as in "0x1807461"`,
  )
}

function parseAdoptedLedger(env: Environment): Uint8Array | undefined {
  const variable = 'TAW_ROLLBACK_ANCHOR_ADOPT'
  return optional(env[variable], (text) => {
    if (!/^[0-9A-Fa-f]{64}$/.test(text)) {
      throw new ConfigError(
        `${variable} is "${text}"; it must be the hash of the newest record of the ledger, 64 hexadecimal digits, ` +
          'as "taw ledger inspect" shows it',
      )
    }
    if (env['TAW_ROLLBACK_ANCHOR'] === 'tpm') return Uint8Array.from(Buffer.from(text, 'hex'))
    throw new ConfigError(`${variable} is set, but no anchor; set TAW_ROLLBACK_ANCHOR=tpm too, or remove it`)
  })
}

function parseCurve(text: string): Curve {
  if (text === 'P-256' || text === 'P-384') return text
  throw new ConfigError(`TAW_PKI_CURVE is "${text}"; it must be "P-256" or "P-384"`)
}

/** `host:port`, `:port`, or `[v6]:port`, as Go's `net.Listen` takes it. */
function parseAddress(variable: string, text: string): Address {
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*)):(?<port>[^:]*)$/.exec(text)
  if (match?.groups === undefined) {
    throw new ConfigError(`${variable} is "${text}"; it must be HOST:PORT, :PORT or [IPv6]:PORT`)
  }
  const { v6, name, port } = match.groups
  if (v6 !== undefined && isIP(v6.replace(/%.*$/, '')) !== 6) {
    throw new ConfigError(`${variable} is "${text}"; what stands in brackets must be an IPv6 address`)
  }
  if (port === undefined || !/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new ConfigError(`${variable} is "${text}"; the port must be a number from 0 to 65535`)
  }
  const host = v6 ?? name
  return { host: host === '' ? undefined : host, port: Number(port) }
}

/** The address as a person would type it. */
export function formatAddress(address: Address): string {
  const host = address.host ?? ''
  return host.includes(':') ? `[${host}]:${address.port}` : `${host}:${address.port}`
}
