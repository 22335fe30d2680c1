import type { Flag } from '../arguments/flag.ts'
import type { CommandSpec } from '../command.ts'

/**
 * What may stand in place of the last word of a command line.
 *
 * @param line the words after the program's name; the last one is being typed, and may be empty
 * @returns command words or flags that begin with it; none where a file, a value or any other argument belongs
 */
export function candidatesFor(
  line: readonly string[],
  commands: readonly CommandSpec[],
  commonFlags: readonly Flag[],
): readonly string[] {
  const typed = line.at(-1) ?? ''
  const reading = read(line.slice(0, -1), commands, commonFlags)
  if (reading === undefined) return []
  const { specs, depth } = reading
  const offered = typed.startsWith('-')
    ? flagNames(flagsOf(specs, depth, commonFlags))
    : nextWords(specs, depth)
  return offered.filter((word) => word.startsWith(typed))
}

interface Reading {
  /** Commands that the words so far may call. */
  readonly specs: readonly CommandSpec[]
  /** How many words of a command there are; undefined: all of them, and arguments. */
  readonly depth: number | undefined
}

/** Undefined: the next word is a flag's value, or belongs to another program. */
function read(
  words: readonly string[],
  commands: readonly CommandSpec[],
  commonFlags: readonly Flag[],
): Reading | undefined {
  let specs = commands.filter(({ hidden }) => hidden !== true)
  let depth: number | undefined = 0
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '--') return undefined
    if (word.startsWith('-') && word.length > 1) {
      if (!takesNext(word, [...commonFlags, ...specs.flatMap(allFlags)])) continue
      if (++index === words.length) return undefined
      continue
    }
    const matching: readonly CommandSpec[] = depth === undefined ? [] : specs.filter(follows(depth, word))
    if (matching.length === 0) depth = undefined
    else [specs, depth] = [[...matching], (depth ?? 0) + 1]
    if (specs.every(({ readsFlags }) => readsFlags === false)) return undefined
  }
  return { specs, depth }
}

const follows =
  (depth: number, word: string) =>
  ({ path }: CommandSpec): boolean =>
    path[depth] === word

const allFlags = ({ flags, inheritedFlags = [] }: CommandSpec): readonly Flag[] => [
  ...flags,
  ...inheritedFlags,
]

/** A flag whose value is the next word. */
function takesNext(word: string, flags: readonly Flag[]): boolean {
  if (word.includes('=')) return false
  const flag = word.startsWith('--')
    ? flags.find(({ name }) => `--${name}` === word)
    : flags.find(({ short }) => short === word.at(-1))
  return flag !== undefined && flag.type !== 'bool'
}

/** Before the command is known: what all commands have, and what all of the group have. */
function flagsOf(
  specs: readonly CommandSpec[],
  depth: number | undefined,
  commonFlags: readonly Flag[],
): readonly Flag[] {
  const own = specs.find(({ path }) => depth === undefined || path.length === depth)?.flags ?? []
  const [first] = specs
  const inherited = depth === 0 ? [] : (first?.inheritedFlags ?? [])
  return [...own, ...inherited, ...commonFlags]
}

const flagNames = (flags: readonly Flag[]): readonly string[] => [
  ...new Set(
    flags.flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]),
  ),
]

const nextWords = (specs: readonly CommandSpec[], depth: number | undefined): readonly string[] =>
  depth === undefined ? [] : [...new Set(specs.flatMap(({ path }) => path[depth] ?? []))]
