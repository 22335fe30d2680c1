import { parseArgs } from 'node:util'
import { RESOURCES } from './service/answer.ts'
import type { ServiceFault } from './service/answer.ts'
import type { DeviceFault } from './devices/device.ts'
import type { Kit, KitOptions } from './kit.ts'

// The command line of the kit, and the lines that it takes while it runs.

export const USAGE = `tee-kit --folder DIR [--sgx NAME[=JSON]]... [--tdx NAME[=JSON]]... [--snp NAME[=JSON]]... [--port N]
JSON changes the identity of a device, for example --sgx 'marble={"isvSvn":2,"debug":true}'.
Lines on standard input: fault NAME FAULT, fault service FAULT [RESOURCE]; FAULT none ends it.`

/** @throws TypeError for what can't be understood */
export function kitOptions(args: readonly string[]): KitOptions {
  const many = { type: 'string', multiple: true } as const
  const { values } = parseArgs({
    args: [...args],
    options: { folder: { type: 'string' }, port: { type: 'string' }, sgx: many, tdx: many, snp: many },
  })
  if (values.folder === undefined) throw new TypeError('--folder is missing')
  if (values.port !== undefined && !/^\d{1,5}$/.test(values.port)) {
    throw new TypeError(`--port "${values.port}" is no number`)
  }
  const names = [values.sgx, values.tdx, values.snp].flatMap((list) => (list ?? []).map((one) => nameOf(one)))
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new TypeError(`the device "${twice}" is there twice`)
  return {
    folder: values.folder,
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    sgx: devices(values.sgx, SGX_FIELDS),
    tdx: devices(values.tdx, TDX_FIELDS),
    snp: devices(values.snp, SNP_FIELDS),
  }
}

type Fields = Readonly<Record<string, (value: unknown) => boolean>>

const isHex = (bytes: number) => (value: unknown) =>
  typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]+$/i.test(value)
const isU16 = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 65_536
const isFlag = (value: unknown): boolean => typeof value === 'boolean'

const SGX_FIELDS: Fields = {
  mrEnclave: isHex(32),
  mrSigner: isHex(32),
  isvProdId: isU16,
  isvSvn: isU16,
  debug: isFlag,
}
const TDX_FIELDS: Fields = {
  mrTd: isHex(48),
  rtmrs: (value) => Array.isArray(value) && value.length <= 4 && value.every(isHex(48)),
  debug: isFlag,
  version: (value) => value === 4 || value === 5,
}
const SNP_FIELDS: Fields = {
  measurement: isHex(48),
  hostData: isHex(32),
  guestSvn: isU16,
  debug: isFlag,
  signingKey: (value) => value === 'VCEK' || value === 'VLEK',
}

const nameOf = (text: string): string => text.split('=', 1)[0] ?? ''

function devices(texts: readonly string[] | undefined, fields: Fields): Record<string, object> {
  return Object.fromEntries(
    (texts ?? []).map((text) => {
      const name = nameOf(text)
      if (!/^[a-z0-9-]{1,40}$/.test(name) || name === 'service') {
        throw new TypeError(`"${name}" is no name for a device; use a-z, 0-9 and -, and not "service"`)
      }
      const json = text.slice(name.length + 1)
      return [name, json === '' ? {} : identity(name, json, fields)]
    }),
  )
}

function identity(name: string, json: string, fields: Fields): object {
  const value: unknown = JSON.parse(json)
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`the identity of "${name}" is no object`)
  for (const [field, given] of Object.entries(value)) {
    if (fields[field]?.(given) !== true) {
      throw new TypeError(
        `the identity of "${name}": "${field}" is unknown or malformed; known are ${Object.keys(fields).join(', ')}`,
      )
    }
  }
  return value
}

const DEVICE_FAULTS: readonly DeviceFault[] = ['hang', 'empty', 'garbage', 'other-report-data']
const SERVICE_FAULTS: readonly ServiceFault[] = [
  'down',
  'silent',
  'slow',
  'unavailable',
  'throttled',
  'stale',
  'lying',
  'flattering',
  'garbage',
  'empty',
  'cut',
]

/**
 * Does what a line on standard input says.
 *
 * @throws TypeError for what can't be understood
 */
export function obey(kit: Kit, line: string): void {
  const [command, target = '', fault = '', resource] = line.trim().split(/\s+/)
  if (command !== 'fault') throw new TypeError(`unknown command "${command ?? ''}"`)
  if (target === 'service') {
    const about = resource === undefined ? undefined : oneOf(RESOURCES, resource, 'resource')
    kit.service.setFault(fault === 'none' ? undefined : oneOf(SERVICE_FAULTS, fault, 'fault'), about)
    return
  }
  const device = kit.devices.get(target)
  if (device === undefined) throw new TypeError(`there is no device "${target}"`)
  device.fault = fault === 'none' ? undefined : oneOf(DEVICE_FAULTS, fault, 'fault')
}

function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((one) => one === text)
  if (found !== undefined) return found
  throw new TypeError(`"${text}" is no ${what}; there are ${known.join(', ')}`)
}
