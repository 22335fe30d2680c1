import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Pass as `skip` to a test that needs the `openssl` command: false where it is, else the reason that is shown. */
export const skipWithoutOpenssl: false | string =
  spawnSync('openssl', ['version']).status === 0 ? false : 'the openssl command is not installed here'

/**
 * Runs `openssl` on files that exist only meanwhile.
 *
 * @param args words; each name of a file stands for its path.
 */
export function openssl(args: readonly string[], files: Readonly<Record<string, Uint8Array>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-openssl-'))
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, name), bytes)
    const words = args.map((word) => (word in files ? path.join(folder, word) : word))
    const { status, stdout, stderr } = spawnSync('openssl', words, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}
