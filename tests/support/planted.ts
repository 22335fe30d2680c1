import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** What begins so in a test is a secret, wherever it turns up again. */
export const plantedMarker = 'planted-secret'

/** Bytes that must not turn up anywhere, in whatever writing. */
export interface PlantedSecret {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Names of what is found in some output, and how it is written there. */
export function findPlanted(
  output: Uint8Array | string,
  secrets: Iterable<PlantedSecret>,
): readonly string[] {
  const text = typeof output === 'string' ? output : Buffer.from(output).toString('latin1')
  // Lines break base64 anywhere, also those that stand in a JSON text.
  const squeezed = text.replace(/\s|\\n/g, '')
  const haystacks = { exact: text, caseless: text.toLowerCase(), squeezed }
  const found: string[] = []
  for (const { name, bytes } of secrets) {
    for (const [writing, how, needle] of writingsOf(bytes)) {
      if (haystacks[how].includes(needle)) found.push(`${name} as ${writing}`)
    }
  }
  return found
}

/** Shorter needles would be found by chance; bytes. Of longer secrets, a stretch from the middle stands for the whole. */
const fewest = 8
const most = 48

/** The ways in which a program is likely to write bytes, without the edges that depend on what stands around them. */
function* writingsOf(
  secret: Uint8Array,
): Iterable<readonly [writing: string, how: 'exact' | 'caseless' | 'squeezed', needle: string]> {
  if (secret.length < fewest)
    throw new Error(`a planted secret has ${secret.length} bytes; it needs ${fewest}`)
  const from = Math.max(0, Math.floor((secret.length - most) / 2))
  const bytes = Buffer.from(secret.subarray(from, from + most))
  const text = bytes.toString('latin1')
  const hex = [...bytes].map((octet) => octet.toString(16).padStart(2, '0'))
  yield ['it is', 'exact', text]
  yield ['UTF-8', 'exact', Buffer.from(text).toString('latin1')]
  yield ['UTF-16', 'exact', text.split('').join('\0')]
  const json = JSON.stringify(text).slice(1, -1)
  for (const encoding of ['latin1', 'utf8'] as const) {
    yield ['JSON', 'exact', Buffer.from(json, encoding).toString('latin1')]
  }
  for (const separator of ['', ' ', ':']) yield ['hex', 'caseless', hex.join(separator)]
  yield ['percent-encoding', 'caseless', hex.map((digits) => `%${digits}`).join('')]
  yield ['decimals', 'squeezed', bytes.join(',')]
  yield ['an object of bytes', 'squeezed', [...bytes].map((octet, at) => `"${from + at}":${octet}`).join(',')]
  // What stands before it may shift it within the groups of three.
  for (let shift = 0; shift < 3; shift++) {
    const groups = bytes.subarray(shift, shift + Math.floor((bytes.length - shift) / 3) * 3)
    yield ['base64', 'squeezed', groups.toString('base64')]
    yield ['base64url', 'squeezed', groups.toString('base64url')]
  }
}

/** The same over all files of a folder. */
export function findPlantedInFolder(folder: string, secrets: readonly PlantedSecret[]): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name, parentPath }) => {
      const contents = readFileSync(path.join(parentPath, name))
      return findPlanted(contents, secrets).map((found) => `${name}: ${found}`)
    })
}

const anyPlanted: readonly PlantedSecret[] = [
  { name: `a text with "${plantedMarker}"`, bytes: Buffer.from(plantedMarker) },
]

/**
 * Fails when a process wrote a secret where none belongs: to standard error, or (the Coordinator) anywhere at all. Each
 * Coordinator, marble and command that any test starts is looked at. A secret is what begins with
 * {@link plantedMarker}, and any private key in PEM.
 */
export function assertNothingPlanted(output: string, folder?: string): void {
  const found = [
    ...findPlanted(output, anyPlanted).map((text) => `its output: ${text}`),
    ...(/BEGIN [A-Z ]*PRIVATE KEY/.test(output) ? ['its output: a private key in PEM'] : []),
    ...(folder === undefined ? [] : findPlantedInFolder(folder, anyPlanted)),
  ]
  if (found.length > 0) throw new Error(`a process wrote what is secret: ${found.join('; ')}`)
}
