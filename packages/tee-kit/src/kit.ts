import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { AmdVendor, AmdVendorOptions, SnpReportOptions } from './amd/vendor.ts'
import { createAmdVendor } from './amd/vendor.ts'
import { createGramineDevice } from './devices/gramine.ts'
import type { EnclaveIdentity, GramineDevice } from './devices/gramine.ts'
import { createTsmDevice } from './devices/tsm.ts'
import type { TsmDevice } from './devices/tsm.ts'
import type { JsonObject } from './intel/documents.ts'
import type { IntelPlatform, PlatformOptions } from './intel/platform.ts'
import { createIntelVendor } from './intel/vendor.ts'
import type { IntelVendor } from './intel/vendor.ts'
import { startCollateralService } from './service/collateral-service.ts'
import type { CollateralService } from './service/collateral-service.ts'
import { pem } from './encoding/x509.ts'

/** Who a guest is. Hex; what is left out follows from the device's name. */
export interface TdIdentity {
  readonly mrTd?: string
  readonly rtmrs?: readonly string[]
  readonly debug?: boolean
  /** Of the quotes. */
  readonly version?: 4 | 5
}

export type SnpIdentity = Pick<
  SnpReportOptions,
  'measurement' | 'hostData' | 'debug' | 'guestSvn' | 'signingKey'
>

/** A machine with its devices, each for one process (SGX) or one guest. Names are folder names. */
export interface KitOptions {
  /** Devices, `kit.json` and the machine's fuses are below it. */
  readonly folder: string
  readonly sgx?: Readonly<Record<string, Partial<EnclaveIdentity>>>
  readonly tdx?: Readonly<Record<string, TdIdentity>>
  readonly snp?: Readonly<Record<string, SnpIdentity>>
  readonly platform?: PlatformOptions
  readonly amd?: AmdVendorOptions
  /** Of the collateral service. */
  readonly port?: number
}

/** What whoever uses the kit from another process has to know; JSON. */
export interface KitDescription extends JsonObject {
  /** PEM. */
  readonly intelRoot: string
  /** ARKs by product, PEM. Empty without SEV-SNP devices: the keys take long to make. */
  readonly amdRoots: Readonly<Record<string, string>>
  readonly collateralService: { readonly url: string; readonly ca: string }
  /** By name. */
  readonly devices: Readonly<Record<string, DeviceDescription>>
}

export interface DeviceDescription extends JsonObject {
  readonly tee: 'sgx' | 'tdx' | 'snp'
  /** In place of `/dev/attestation` or `/sys/kernel/config/tsm/report`. */
  readonly root: string
  /** The identity that its evidence shows; for SGX under the names of a manifest's `Packages`. */
  readonly identity: JsonObject
}

export interface Kit {
  readonly intel: IntelVendor
  readonly platform: IntelPlatform
  readonly amd: AmdVendor | undefined
  readonly service: CollateralService
  readonly devices: ReadonlyMap<string, GramineDevice | TsmDevice>
  readonly description: KitDescription
  readonly close: () => Promise<void>
}

/** Vendors with new keys, their service, and the devices; tells of it in `kit.json`. */
export async function startKit(options: KitOptions): Promise<Kit> {
  const { folder, sgx = {}, tdx = {}, snp = {} } = options
  mkdirSync(folder, { recursive: true })
  const intel = createIntelVendor()
  const platform = intel.createPlatform(options.platform)
  const amd = Object.keys(snp).length > 0 ? createAmdVendor(options.amd) : undefined
  const fuses = fusesOf(folder)

  const made = [
    ...Object.entries(sgx).map(([name, identity]) => sgxDevice(name, identity, folder, platform, fuses)),
    ...Object.entries(tdx).map(([name, identity]) => tdxDevice(name, identity, folder, platform)),
    ...(amd ? Object.entries(snp).map(([name, identity]) => snpDevice(name, identity, folder, amd)) : []),
  ]
  const service = await startCollateralService({
    intel,
    ...(amd ? { amd: [amd] } : {}),
    ...(options.port === undefined ? {} : { port: options.port }),
  })
  const description: KitDescription = {
    intelRoot: pem(intel.rootCertificate),
    amdRoots: amd ? { [amd.product]: pem(amd.ark) } : {},
    collateralService: { url: service.url, ca: service.ca },
    devices: Object.fromEntries(made.map(({ name, description: about }) => [name, about])),
  }
  writeDescription(folder, description)
  return {
    intel,
    platform,
    amd,
    service,
    devices: new Map(made.map(({ name, device }) => [name, device])),
    description,
    close: async () => {
      for (const { device } of made) device.close()
      await service.close()
    },
  }
}

interface MadeDevice {
  readonly name: string
  readonly device: GramineDevice | TsmDevice
  readonly description: DeviceDescription
}

const sha = (bits: 256 | 384, text: string): string => createHash(`sha${bits}`).update(text).digest('hex')

function sgxDevice(
  name: string,
  identity: Partial<EnclaveIdentity>,
  folder: string,
  platform: IntelPlatform,
  fuses: Uint8Array,
): MadeDevice {
  const enclave: EnclaveIdentity = {
    mrEnclave: sha(256, `tee-kit enclave ${name}`),
    mrSigner: sha(256, 'tee-kit signer'),
    isvProdId: 1,
    isvSvn: 1,
    ...identity,
  }
  const root = path.join(folder, name, 'attestation')
  return {
    name,
    device: createGramineDevice({ root, platform, enclave, fuses }),
    description: {
      tee: 'sgx',
      root,
      identity: {
        UniqueID: enclave.mrEnclave,
        SignerID: enclave.mrSigner,
        ProductID: enclave.isvProdId,
        SecurityVersion: enclave.isvSvn,
        Debug: enclave.debug ?? false,
      },
    },
  }
}

function tdxDevice(name: string, identity: TdIdentity, folder: string, platform: IntelPlatform): MadeDevice {
  const guest = {
    mrTd: sha(384, `tee-kit td ${name}`),
    rtmrs: [0, 1, 2, 3].map((index) => sha(384, `tee-kit rtmr${index} ${name}`)),
    ...identity,
  }
  const root = path.join(folder, name, 'report')
  return {
    name,
    device: createTsmDevice({
      root,
      provider: 'tdx_guest',
      outblob: ({ reportData }) => platform.quoteTdx({ ...guest, reportData }),
    }),
    description: {
      tee: 'tdx',
      root,
      identity: { mrTd: guest.mrTd, rtmrs: guest.rtmrs, debug: guest.debug ?? false },
    },
  }
}

function snpDevice(name: string, identity: SnpIdentity, folder: string, amd: AmdVendor): MadeDevice {
  const guest = { measurement: sha(384, `tee-kit guest ${name}`), ...identity }
  const chip = amd.createChip()
  const root = path.join(folder, name, 'report')
  return {
    name,
    device: createTsmDevice({
      root,
      provider: 'sev_guest',
      outblob: ({ reportData, privlevel }) => chip.report({ ...guest, reportData, vmpl: privlevel }),
      auxblob: () => chip.auxblob(guest.signingKey),
    }),
    description: {
      tee: 'snp',
      root,
      identity: { measurement: guest.measurement, debug: guest.debug ?? false, chipId: chip.hwid },
    },
  }
}

/** A machine that is started again has the same sealing keys. */
function fusesOf(folder: string): Buffer {
  const file = path.join(folder, 'fuses')
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600 })
  return readFileSync(file)
}

/** At once, so that who waits for the file finds all of it. */
function writeDescription(folder: string, description: KitDescription): void {
  const file = path.join(folder, 'kit.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(description, undefined, 2)}\n`)
  renameSync(`${file}.new`, file)
}
