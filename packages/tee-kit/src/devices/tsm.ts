import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { POLL_MS, answerUnder } from './device.ts'
import type { DeviceFault } from './device.ts'
import { FifoInput, FifoOutput, FifoStore } from './fifo.ts'

/** A guest's request for a report. */
export interface TsmRequest {
  /** 64 bytes. */
  readonly reportData: Uint8Array
  /** SEV-SNP; 0 unless the guest said otherwise. */
  readonly privlevel: number
}

export interface TsmDeviceOptions {
  /** The folder that stands for `/sys/kernel/config/tsm/report`. */
  readonly root: string
  readonly provider: 'tdx_guest' | 'sev_guest'
  readonly outblob: (request: TsmRequest) => Uint8Array
  /** SEV-SNP: the certificate table; without it the host gives none. */
  readonly auxblob?: () => Uint8Array
}

export interface TsmDevice {
  readonly root: string
  /** How many reports it made. */
  readonly reports: number
  fault: DeviceFault | undefined
  readonly close: () => void
}

/**
 * Stands for the kernel's configfs-tsm. Folders made in `root` get the attributes `provider`, `generation`, `inblob`,
 * `outblob`, and for SEV-SNP `auxblob`, `privlevel` and `privlevel_floor`.
 *
 * What the kernel does and this can't: attributes appear a moment after their folder (`provider` is the last), don't
 * vanish with it, and no write or read fails; reading `outblob` before anything was written gives nothing.
 */
export function createTsmDevice(options: TsmDeviceOptions): TsmDevice {
  const { root } = options
  mkdirSync(root, { recursive: true })
  const store = new FifoStore(`${root}.pipes`)
  const requests = new Map<string, Entry>()
  let reports = 0
  const device = {
    root,
    fault: undefined as DeviceFault | undefined,
    get reports() {
      return reports
    },
    close: () => {
      clearInterval(timer)
      for (const entry of requests.values()) entry.close()
      store.remove()
      rmSync(root, { recursive: true, force: true })
    },
  }
  const timer = setInterval(() => {
    const names = existsSync(root) ? readdirSync(root) : []
    for (const [name, entry] of requests) {
      if (names.includes(name)) continue
      entry.close()
      requests.delete(name)
    }
    for (const name of names) {
      const entry = requests.get(name) ?? Entry.open(store, path.join(root, name), options)
      if (entry === undefined) continue
      requests.set(name, entry)
      if (entry.answer(device.fault)) reports += 1
    }
  }, POLL_MS)
  timer.unref()
  return device
}

/** One request: a folder and its attributes. */
class Entry {
  readonly #store: FifoStore
  readonly #folder: string
  readonly #options: TsmDeviceOptions
  readonly #inblob: FifoInput
  readonly #outblob: FifoOutput
  readonly #privlevel: FifoInput | undefined
  readonly #auxblob: FifoOutput | undefined
  #reportData = Buffer.alloc(0)
  #level = 0
  #generation = 0

  private constructor(store: FifoStore, folder: string, options: TsmDeviceOptions) {
    const isSnp = options.provider === 'sev_guest'
    const file = (name: string): string => path.join(folder, name)
    this.#store = store
    this.#folder = folder
    this.#options = options
    this.#inblob = new FifoInput(store, file('inblob'))
    this.#outblob = new FifoOutput(store, file('outblob'))
    this.#privlevel = isSnp ? new FifoInput(store, file('privlevel')) : undefined
    this.#auxblob = isSnp ? new FifoOutput(store, file('auxblob')) : undefined
    if (isSnp) this.#write('privlevel_floor', '0\n')
    this.#write('generation', '0\n')
    this.#write('provider', `${options.provider}\n`)
  }

  /** @returns undefined when the folder is gone already */
  static open(store: FifoStore, folder: string, options: TsmDeviceOptions): Entry | undefined {
    try {
      return new Entry(store, folder, options)
    } catch (error) {
      if (!existsSync(folder)) return undefined
      throw error
    }
  }

  /** @returns whether a report was given */
  answer(fault: DeviceFault | undefined): boolean {
    this.#takeWrites()
    if (fault === 'hang') return false
    let isGiven = false
    this.#outblob.serve(() => {
      this.#takeWrites()
      if (this.#reportData.length === 0) return Buffer.alloc(0)
      isGiven = true
      return answerUnder(fault, this.#reportData, (reportData) =>
        this.#options.outblob({ reportData, privlevel: this.#level }),
      )
    })
    this.#auxblob?.serve(() => this.#options.auxblob?.() ?? Buffer.alloc(0))
    return isGiven
  }

  close(): void {
    this.#outblob.close()
    this.#auxblob?.close()
    this.#inblob.close()
    this.#privlevel?.close()
  }

  /** Each write raises the generation by one. Report data comes 64 bytes at a time, a level in one digit. */
  #takeWrites(): void {
    const data = this.#inblob.drain()
    const levels = this.#privlevel?.drain().toString('latin1').match(/[0-3]/g) ?? []
    if (data.length > 0) this.#reportData = Buffer.from(data.subarray(-64))
    this.#level = Number(levels.at(-1) ?? this.#level)
    const writes = Math.ceil(data.length / 64) + levels.length
    if (writes === 0) return
    this.#generation += writes
    this.#write('generation', `${this.#generation}\n`)
  }

  /** At once: no reader sees half of it. */
  #write(name: string, text: string): void {
    writeFileSync(this.#store.temporaryFile, text)
    try {
      renameSync(this.#store.temporaryFile, path.join(this.#folder, name))
    } catch (error) {
      // The guest removed its request meanwhile.
      if (existsSync(this.#folder)) throw error
    }
  }
}
