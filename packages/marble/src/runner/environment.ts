import { MarbleError } from '../errors.ts'
import type { SecretBytes } from '../secret-bytes.ts'
import type { Environment } from './settings.ts'
import { ttlsVariable } from './ttls.ts'

/**
 * The application's environment: the inherited one, with what the Coordinator grants in place of same-named variables.
 *
 * @throws {@link MarbleError} `grant_inapplicable` for a variable that can't be handed to a process unchanged
 */
export function mergeEnvironment(
  inherited: Environment,
  granted: ReadonlyMap<string, SecretBytes>,
): Record<string, string> {
  // Whoever starts the marble could else choose the keys that an application with TTLS of its own trusts.
  if (inherited[ttlsVariable] !== undefined && !granted.has(ttlsVariable)) {
    throw new MarbleError(
      'configuration_invalid',
      `${ttlsVariable} is set in the environment of taw run, and the Coordinator sent none; unset it`,
    )
  }
  const merged: Record<string, string> = {}
  for (const [name, value] of Object.entries(inherited)) if (value !== undefined) merged[name] = value
  for (const [name, value] of granted) merged[checkedName(name)] = checkedValue(name, value)
  return merged
}

function checkedName(name: string): string {
  // The limits of setenv (POSIX.1-2024): an environment is a list of NAME=VALUE strings that end with NUL.
  if (name !== '' && !/[=\0]/.test(name)) return name
  throw new MarbleError(
    'grant_inapplicable',
    `setting the environment variable ${JSON.stringify(name)} of the manifest: ` +
      'a name must not be empty, and must have no "=" and no NUL; correct Env in the manifest',
  )
}

function checkedValue(name: string, value: SecretBytes): string {
  const text = value.revealText()
  if (text !== undefined && !text.includes('\0')) return text
  throw new MarbleError(
    'grant_inapplicable',
    `setting the environment variable "${name}" of the manifest: its value ` +
      (text === undefined
        ? 'is not valid UTF-8, and Node.js can hand on only text'
        : 'has a NUL byte, which no environment variable can hold') +
      '; encode it (base64, hex) in the manifest, or give it as a file',
  )
}

/**
 * Refuses inherited text that Node.js could not decode: it would reach the application changed.
 *
 * Node.js replaces bytes that aren't UTF-8 by U+FFFD. The replacement also stands for itself, so the raw bytes decide.
 *
 * @param entries what Node.js made of it, with a name for each that tells nothing of its value
 * @param readRaw gives the raw bytes (Linux: `/proc/self/environ`, `/proc/self/cmdline`); may throw
 * @throws {@link MarbleError} `configuration_invalid`
 */
export function checkDecoded(entries: ReadonlyMap<string, string>, readRaw: () => Uint8Array): void {
  const suspects = [...entries]
    .filter(([name, text]) => `${name}${text}`.includes('\uFFFD'))
    .map(([name]) => name)
  if (suspects.length === 0) return
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(readRaw())
  } catch (error) {
    throw new MarbleError(
      'configuration_invalid',
      `handing on ${suspects.join(', ')}: there are bytes that are not valid UTF-8, and Node.js can hand on only text`,
      { cause: error },
    )
  }
}
