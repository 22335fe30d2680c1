import type { CommandSpec } from '../command.ts'
import type { Flag } from './flag.ts'

/**
 * Moves flags that stand before or between a command's words behind them: `-i manifest --keep-cert get HOST` becomes
 * `manifest get -i --keep-cert HOST`. The original takes them anywhere.
 */
export function hoist(
  args: readonly string[],
  commands: readonly CommandSpec[],
  commonFlags: readonly Flag[],
): readonly string[] {
  const words: string[] = []
  const moved: string[] = []
  let candidates = commands
  let position = 0
  for (; position < args.length; position++) {
    const arg = args[position] ?? ''
    if (arg === '--') break
    if (arg.startsWith('-') && arg.length > 1) {
      moved.push(arg)
      const flags = [
        ...commonFlags,
        ...candidates.flatMap((spec) => [...spec.flags, ...(spec.inheritedFlags ?? [])]),
      ]
      const value = args[position + 1]
      if (value !== undefined && takesNext(arg, flags)) {
        moved.push(value)
        position++
      }
      continue
    }
    const matching = candidates.filter(({ path }) => path[words.length] === arg)
    if (matching.length === 0) break
    words.push(arg)
    candidates = matching
  }
  return [...words, ...moved, ...args.slice(position)]
}

/** Whether the value of this flag is the next argument. An unknown flag takes none, and is refused later. */
function takesNext(arg: string, flags: readonly Flag[]): boolean {
  if (arg.includes('=')) return false
  if (arg.startsWith('--')) return flags.some(({ name, type }) => `--${name}` === arg && type !== 'bool')
  // In a bundle all but the last flag are Booleans; the first other one takes the rest, if there is a rest.
  for (let index = 1; index < arg.length; index++) {
    const flag = flags.find(({ short }) => short === arg.charAt(index))
    if (flag?.type !== 'bool') return flag !== undefined && index === arg.length - 1
  }
  return false
}
