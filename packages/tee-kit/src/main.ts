import process from 'node:process'
import { createInterface } from 'node:readline'
import { USAGE, kitOptions, obey } from './command.ts'
import { startKit } from './kit.ts'
import type { KitOptions } from './kit.ts'

// The kit as a process of its own: says `ready` when all is there, takes lines, and ends at a signal or at end of input.

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function optionsOrExit(): KitOptions {
  try {
    return kitOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`tee-kit: ${reasonOf(error)}\n${USAGE}`)
    process.exit(2)
  }
}

const kit = await startKit(optionsOrExit())
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  try {
    obey(kit, line)
    console.log('ok')
  } catch (error) {
    console.log(`error: ${reasonOf(error)}`)
  }
})
lines.on('close', () => {
  void kit.close()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    lines.close()
  })
}
console.log('ready')
