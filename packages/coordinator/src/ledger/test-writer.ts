/**
 * A process to be killed: opens a ledger in each of the folders `0`, `1`, … below its first argument, sets a manifest
 * where there is none, and counts activations up with as many writers as its second argument says. Writes the folder
 * and each count to standard output after it was answered. The third argument makes it end by itself.
 */
import { writeSync } from 'node:fs'
import path from 'node:path'
import type { Ledger } from './ledger.ts'
import { activate, open, setManifest } from './test-ledger.ts'

const [, , base = '', writers = '1', ending] = process.argv
const folders = ending === undefined ? ['0', '1', '2', '3'] : ['0']
for (const folder of folders) {
  const { ledger } = await open(path.join(base, folder), { delays: { bind: 2, idle: 5, compaction: 10 } })
  if (ledger.recoveryReason !== undefined) throw new Error(ledger.recoveryReason)
  if (ledger.state.manifest === undefined) await setManifest(ledger)
  if (ending !== undefined) await activate(ledger)
  else for (let writer = 0; writer < Number(writers); writer++) void write(ledger, folder)
}
if (ending === 'exit') process.exit(1)

async function write(ledger: Ledger, folder: string): Promise<never> {
  for (;;) writeSync(1, `${folder} ${await activate(ledger)}\n`)
}
