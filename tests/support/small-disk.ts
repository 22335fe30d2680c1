import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** A small file system of its own, in memory. Making one takes the right to mount. */
export class SmallDisk implements Disposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @returns why there is none, where this process may not mount */
  static mount(kibibytes: number): SmallDisk | string {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-disk-'))
    const problem = run('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', folder])
    if (problem === undefined) return new SmallDisk(folder)
    rmSync(folder, { recursive: true })
    return `a file system can't be mounted here: ${problem}`
  }

  /** Takes all room that is left. */
  fill(): void {
    const file = openSync(path.join(this.folder, 'filler'), 'a')
    try {
      for (const block of [Buffer.alloc(4096), Buffer.alloc(1)]) while (writeWhole(file, block));
    } finally {
      closeSync(file)
    }
  }

  makeRoom(): void {
    rmSync(path.join(this.folder, 'filler'))
  }

  /** Nothing may be open for writing. */
  makeReadOnly(): void {
    const problem = run('mount', ['-o', 'remount,ro', this.folder])
    if (problem !== undefined) throw new Error(problem)
  }

  [Symbol.dispose](): void {
    run('umount', ['-l', this.folder])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function writeWhole(file: number, block: Uint8Array): boolean {
  try {
    return writeSync(file, block) === block.length
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
    throw error
  }
}

function run(command: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status === 0) return undefined
  return error?.message ?? stderr.trim()
}
