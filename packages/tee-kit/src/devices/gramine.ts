import { createHmac, randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { put } from '../encoding/bytes.ts'
import type { IntelPlatform } from '../intel/platform.ts'
import { POLL_MS, answerUnder } from './device.ts'
import type { DeviceFault } from './device.ts'
import { FifoInput, FifoOutput, FifoStore } from './fifo.ts'

/** Who the enclave behind the device is. Hex. */
export interface EnclaveIdentity {
  readonly mrEnclave: string
  readonly mrSigner: string
  readonly isvProdId: number
  readonly isvSvn: number
  readonly debug?: boolean
}

export interface GramineDeviceOptions {
  /** The folder that stands for `/dev/attestation`. */
  readonly root: string
  readonly platform: IntelPlatform
  readonly enclave: EnclaveIdentity
  /** Default `dcap`. */
  readonly attestationType?: string
  /** Stands for the processor's fuses: the same ones give the same sealing keys. Default: new ones. */
  readonly fuses?: Uint8Array
}

/** A device, as long as it runs. */
export interface GramineDevice {
  readonly root: string
  /** How many quotes it made. */
  readonly quotes: number
  fault: DeviceFault | undefined
  readonly close: () => void
}

/**
 * Stands for Gramine's `/dev/attestation`, for one process at a time: `attestation_type`, `user_report_data`, `quote`,
 * `my_target_info` and `keys/`. Local reports (`target_info`, `report`) are left out. Where Gramine refuses a write,
 * this can't: the quote is then over what was written last, padded with zeros.
 */
export function createGramineDevice(options: GramineDeviceOptions): GramineDevice {
  const { root, platform, enclave, attestationType = 'dcap', fuses = randomBytes(32) } = options
  mkdirSync(path.join(root, 'keys'), { recursive: true })
  writeFileSync(path.join(root, 'attestation_type'), attestationType)
  writeFileSync(path.join(root, 'my_target_info'), targetInfo(enclave))
  for (const [name, key] of Object.entries(sealingKeys(enclave, fuses))) {
    writeFileSync(path.join(root, 'keys', name), key, { mode: 0o600 })
  }
  const store = new FifoStore(`${root}.pipes`)
  const input = new FifoInput(store, path.join(root, 'user_report_data'))
  const output = new FifoOutput(store, path.join(root, 'quote'))

  let reportData: Buffer = Buffer.alloc(64)
  let quotes = 0
  const device = {
    root,
    fault: undefined as DeviceFault | undefined,
    get quotes() {
      return quotes
    },
    close: () => {
      clearInterval(timer)
      output.close()
      input.close()
      store.remove()
      rmSync(root, { recursive: true, force: true })
    },
  }
  const timer = setInterval(() => {
    if (device.fault === 'hang') return
    output.serve(() => {
      // Who wrote last gets the quote: the files are one for all.
      const written = input.drain()
      if (written.length > 0) reportData = lastReportData(written)
      quotes += 1
      return answerUnder(device.fault, reportData, (data) =>
        platform.quoteSgx({ ...enclave, reportData: data }),
      )
    })
  }, POLL_MS)
  timer.unref()
  return device
}

/** Writers write 64 bytes at a time. */
function lastReportData(written: Buffer): Buffer {
  const start = Math.max(0, Math.ceil(written.length / 64) - 1) * 64
  return Buffer.concat([written.subarray(start), Buffer.alloc(64)]).subarray(0, 64)
}

/** TARGETINFO (Intel SDM volume 3D): MRENCLAVE, then ATTRIBUTES; 512 bytes. */
function targetInfo({ mrEnclave, debug = false }: EnclaveIdentity): Buffer {
  const info = Buffer.alloc(512)
  put(info, 0, 32, mrEnclave)
  put(info, 32, 16, `${debug ? '07' : '05'}00000000000000e700000000000000`)
  return info
}

/** What EGETKEY gives: 16 bytes each, bound to the enclave or to signer and product. */
function sealingKeys(enclave: EnclaveIdentity, fuses: Uint8Array): Readonly<Record<string, Buffer>> {
  const { mrEnclave, mrSigner, isvProdId } = enclave
  const derive = (...parts: readonly string[]): Buffer =>
    createHmac('sha256', fuses).update(JSON.stringify(parts)).digest().subarray(0, 16)
  return {
    _sgx_mrenclave: derive('mrenclave', mrEnclave),
    _sgx_mrsigner: derive('mrsigner', mrSigner, String(isvProdId)),
  }
}
