import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { Tpm } from './tools.ts'

const isInstalled = ['swtpm', 'tpm2_create'].every((program) =>
  ['/usr/local/bin', '/usr/bin', '/bin'].some((folder) => existsSync(path.join(folder, program))),
)

/** For `skip` of a test. */
export const skipWithoutSwtpm: string | false = isInstalled
  ? false
  : 'swtpm and tpm2-tools are not installed (Debian: apt-get install swtpm tpm2-tools)'

/** What the firmware of a virtual machine measures; any two names lead to other PCRs. */
export interface Boot {
  readonly firmware: string
  readonly signer: string
  /** PCR 11. */
  readonly system: string
}

export const genuineBoot: Boot = { firmware: 'firmware 1', signer: 'genuine signer', system: 'system 1' }

/** A real TPM in software. It keeps its seeds, counters and NV memory over {@link SoftwareTpm.boot}, as a machine's. */
export class SoftwareTpm {
  readonly #folder: string
  #process: number | undefined

  constructor(t: TestContext) {
    this.#folder = mkdtempSync(path.join(tmpdir(), 'taw-swtpm-'))
    mkdirSync(path.join(this.#folder, 'state'))
    t.after(async () => {
      await this.#stop()
      rmSync(this.#folder, { recursive: true, force: true })
    })
  }

  get tcti(): string {
    return `swtpm:path=${path.join(this.#folder, 'tpm')}`
  }

  /** Switches the machine off and on. */
  async boot({ firmware, signer, system }: Boot = genuineBoot): Promise<Tpm> {
    await this.#stop()
    const at = (name: string): string => path.join(this.#folder, name)
    const sockets = [
      '--server',
      `type=unixio,path=${at('tpm')}`,
      '--ctrl',
      `type=unixio,path=${at('tpm.ctrl')}`,
    ]
    const state = ['--tpmstate', `dir=${at('state')}`, '--flags', 'not-need-init,startup-clear']
    // It goes to the background when it listens, so nothing has to wait for it.
    const daemon = ['--daemon', '--pid', `file=${at('pid')}`, '--log', `file=${at('log')}`]
    const { status, stderr } = spawnSync('swtpm', ['socket', '--tpm2', ...sockets, ...state, ...daemon], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`swtpm did not start: ${stderr}`)
    this.#process = Number(readFileSync(at('pid'), 'utf8'))
    const tpm = new Tpm({ tcti: this.tcti })
    const measured = [firmware, '', '', '', '', '', '', signer]
    await extend(tpm, new Map([...measured.entries(), [11, system]]))
    return tpm
  }

  /** Ends when the process has: until then it holds the lock of the state, and its successor would not start. */
  async #stop(): Promise<void> {
    if (this.#process === undefined) return
    process.kill(this.#process, 'SIGKILL')
    while (isRunning(this.#process)) await setTimeout(1)
    this.#process = undefined
    for (const name of ['tpm', 'tpm.ctrl', 'pid']) rmSync(path.join(this.#folder, name), { force: true })
  }
}

/** A daemon is nobody's child here, so no event tells of its end. As a zombie (Z) it holds nothing any more. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Measures texts into PCRs. */
export async function extend(tpm: Tpm, texts: ReadonlyMap<number, string>): Promise<void> {
  const digests = Array.from(
    texts,
    ([pcr, text]) => `${pcr}:sha256=${createHash('sha256').update(text).digest('hex')}`,
  )
  await tpm.use((job) => job.run('tpm2_pcrextend', digests))
}
