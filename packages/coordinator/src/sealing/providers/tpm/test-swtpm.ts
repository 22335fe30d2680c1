import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
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
    t.after(() => {
      this.#stop()
      rmSync(this.#folder, { recursive: true, force: true })
    })
  }

  get tcti(): string {
    return `swtpm:path=${path.join(this.#folder, 'tpm')}`
  }

  /** Switches the machine off and on. */
  async boot({ firmware, signer, system }: Boot = genuineBoot): Promise<Tpm> {
    this.#stop()
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

  #stop(): void {
    if (this.#process === undefined) return
    process.kill(this.#process, 'SIGKILL')
    this.#process = undefined
    for (const name of ['tpm', 'tpm.ctrl', 'pid']) rmSync(path.join(this.#folder, name), { force: true })
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
