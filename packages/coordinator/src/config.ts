import path from 'node:path'
import { isIP } from 'node:net'
import type { Curve } from './pki/curve.ts'

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
  readonly sealing: SealingKind
  /** How tpm2-tools reach the TPM. */
  readonly tpmTcti: string
  readonly development: boolean
  readonly debug: boolean
  /** Undefined: whatever the existing state has, P-256 for a new one. */
  readonly curve: Curve | undefined
}

/** What keeps the key of the state (docs/sealing.md). */
export type SealingKind = 'simulation' | 'none' | 'gramine' | 'tpm'

const sealingKinds: readonly SealingKind[] = ['simulation', 'none', 'gramine', 'tpm']

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
  return {
    meshAddress: address('EDG_COORDINATOR_MESH_ADDR', ':2001'),
    clientAddress: address('EDG_COORDINATOR_CLIENT_ADDR', ':4433'),
    metricsAddress: optional(env['EDG_COORDINATOR_PROMETHEUS_ADDR'], (text) =>
      parseAddress('EDG_COORDINATOR_PROMETHEUS_ADDR', text),
    ),
    dnsNames: env['EDG_COORDINATOR_DNS_NAMES'] ?? 'localhost',
    sealDirectory: path.resolve(
      workingDirectory,
      given('EDG_COORDINATOR_SEAL_DIR') ?? 'marblerun-coordinator-data',
    ),
    startupManifest: optional(env['EDG_STARTUP_MANIFEST'], (file) => path.resolve(workingDirectory, file)),
    simulation: env['OE_SIMULATION'] === '1',
    sealing: parseSealing(given('TAW_SEALING') ?? 'simulation'),
    tpmTcti: given('TAW_TPM_TCTI') ?? 'device:/dev/tpmrm0',
    development: env['EDG_COORDINATOR_DEV_MODE'] === '1',
    debug: env['EDG_DEBUG_LOGGING'] === '1',
    curve: optional(env['TAW_PKI_CURVE'], parseCurve),
  }
}

function optional<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined || text === '' ? undefined : parse(text)
}

function parseSealing(text: string): SealingKind {
  const kind = sealingKinds.find((candidate) => candidate === text)
  if (kind !== undefined) return kind
  throw new ConfigError(`TAW_SEALING is "${text}"; it must be one of ${sealingKinds.join(', ')}`)
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
