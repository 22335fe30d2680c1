import type { Flag } from './flag.ts'

/** A word of the command line after expansion: an operand, or a flag with its value. */
export type Word =
  | { readonly operand: string }
  | { readonly flag: Flag; readonly value: string | boolean }
  /** Looks like a flag, and is none, or lacks its value, or has one that does not fit. */
  | { readonly problem: string }

/** What the original's flag parser takes for a Boolean (Go's strconv.ParseBool). */
const booleans: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false])),
}

/**
 * Reads flags as the original's parser does: `--name value`, `--name=value`, `-s value`, `-svalue`, `-s=value`,
 * bundled short Booleans of which the last flag may take a value, `--bool=false`, flags and operands in any order,
 * and `--` before operands that begin with a hyphen.
 *
 * @returns one word for each flag and operand, in order; what follows a problem is not read
 */
export function expand(args: readonly string[], flags: readonly Flag[]): readonly Word[] {
  const rest = [...args]
  const words: Word[] = []
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') return [...words, ...rest.map((operand) => ({ operand }))]
    const read = arg.startsWith('--')
      ? readLong(arg, rest, flags)
      : arg.startsWith('-') && arg.length > 1
        ? readShort(arg, rest, flags)
        : [{ operand: arg }]
    words.push(...read)
    if (read.some((word) => 'problem' in word)) return words
  }
  return words
}

/** @param rest what follows; a value is taken from it */
function readLong(arg: string, rest: string[], flags: readonly Flag[]): readonly Word[] {
  const [name = '', ...parts] = arg.slice(2).split('=')
  const flag = flags.find((known) => known.name === name)
  if (flag === undefined) return [{ problem: `unknown flag --${name}` }]
  const inline = parts.length === 0 ? undefined : parts.join('=')
  return [withValue(flag, `--${name}`, inline, rest)]
}

function readShort(arg: string, rest: string[], flags: readonly Flag[]): readonly Word[] {
  const words: Word[] = []
  const letters = arg.slice(1)
  for (let index = 0; index < letters.length; index++) {
    const letter = letters.charAt(index)
    const flag = flags.find((known) => known.short === letter)
    if (flag === undefined)
      return [...words, { problem: `unknown flag -${letter} in ${JSON.stringify(arg)}` }]
    const after = letters.slice(index + 1)
    if (flag.type === 'bool' && !after.startsWith('=')) {
      words.push({ flag, value: true })
      continue
    }
    const inline = after.startsWith('=') ? after.slice(1) : after === '' ? undefined : after
    return [...words, withValue(flag, `-${letter}`, inline, rest)]
  }
  return words
}

function withValue(flag: Flag, shown: string, inline: string | undefined, rest: string[]): Word {
  if (flag.type !== 'bool') {
    const value = inline ?? rest.shift()
    return value === undefined ? { problem: `flag ${shown} needs a value` } : { flag, value }
  }
  const value = inline === undefined ? true : booleans[inline]
  if (value !== undefined) return { flag, value }
  return { problem: `flag ${shown} is true or false, not ${JSON.stringify(inline)}` }
}
