// Feeds mutated vectors to everything that reads foreign bytes, and asserts that nothing but EvidenceInvalid is ever thrown and
// that no input costs much. `node tests/fuzz/attestation.ts [inputs] [seed]`

import assert from 'node:assert/strict'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { toHex } from '../../packages/attestation/src/core/encoding.ts'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import {
  EvidenceInvalid,
  collateralFromFiles,
  findQuote,
  inspectQuote,
  intelVerifier,
  mergeCollateral,
  parseQuote,
  readCollateralFile,
} from '../../packages/attestation/src/index.ts'
import type { IntelCollateral } from '../../packages/attestation/src/index.ts'
import { sharedPath } from '../support/shared.ts'
import { runFromCommandLine } from './command-line.ts'
import { Costs } from './costs.ts'
import type { FuzzReport } from './costs.ts'

const VALID_AT = new Date('2025-07-04T10:16:31Z')
/** Vectors that verify with {@link poolFor} at that time: their mutations reach the last checks. */
const VERIFYING = ['tdx-v4-phala.bin', 'sgx-v3-phala-processor.bin']

/** A small generator with a seed (mulberry32), so that a failing input can be made again. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** One to four changes of the kinds that break parsers: bits, lengths, runs, ends, parts of other inputs. */
export function mutate(
  original: Uint8Array,
  other: Uint8Array,
  random: (below: number) => number,
): Uint8Array {
  let bytes = Buffer.from(original)
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(Math.max(bytes.length, 1))
    switch (random(8)) {
      case 0:
      case 1:
        if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
        break
      case 2:
        if (bytes.length > 0) bytes[at] = [0x00, 0x7f, 0x80, 0xff][random(4)] ?? 0
        break
      case 3:
        bytes.fill(random(256), at, Math.min(bytes.length, at + random(64)))
        break
      case 4:
        bytes = bytes.subarray(0, at)
        break
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(Math.min(bytes.length, at + random(64))),
        ])
        break
      case 6: {
        const from = random(Math.max(other.length, 1))
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          other.subarray(from, from + random(512)),
          bytes.subarray(at),
        ])
        break
      }
      default:
        if (bytes.length >= at + 4) bytes.writeUInt32LE(random(2) === 0 ? 0xffffffff : random(70_000), at)
    }
  }
  return bytes
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const full = path.join(folder, name)
    return statSync(full).isDirectory() ? filesBelow(full) : [full]
  })
}

function seeds(): Uint8Array[] {
  const folders = [
    'sgx',
    'tdx',
    'wrappers',
    'collateral/tcbinfo',
    'collateral/qeidentity',
    'collateral/crl',
    'collateral/chain',
  ]
  return folders
    .flatMap((folder) => filesBelow(sharedPath(`golden/vectors/${folder}`)))
    .map((file) => readFileSync(file))
}

const poolFor = (): IntelCollateral =>
  collateralFromFiles(
    [
      'tcbinfo/tdx-b0c06f000000-2025-06-19-ev17-v3-369f99a1.json',
      'tcbinfo/sgx-00a067110000-2025-06-19-ev17-v3-f93593b7.json',
      'qeidentity/td_qe-2025-06-19-ev17-261a8b43.json',
      'qeidentity/qe-2025-06-19-ev17-e37ba07d.json',
      'crl/platform-2025-06-19-e583e97a.der',
      'crl/processor-2025-06-19-5b07d329.der',
      'crl/root-2025-03-20-ad6f3f4e.der',
      'chain/tcb-signing-2025-2032.pem',
    ].map((name) => readFileSync(sharedPath(`golden/vectors/collateral/${name}`))),
  )

/** What the quote in a vector says, if there is one. */
function signedPart(original: Uint8Array): string[] {
  try {
    const found = findQuote(original)
    return found ? [toHex(parseQuote(found.quote).signedBytes)] : []
  } catch (error) {
    if (error instanceof EvidenceInvalid) return []
    throw error
  }
}

/** @throws AssertionError naming the seed and the input's number */
export async function fuzz(inputs: number, seed: number): Promise<FuzzReport> {
  const random = randomNumbers(seed)
  const originals = seeds()
  const quotes = VERIFYING.map((name) =>
    readFileSync(sharedPath(`golden/vectors/${name.slice(0, 3)}/${name}`)),
  )
  const pool = poolFor()
  const verifier = intelVerifier({ crypto: nodeCrypto })
  const pick = (list: readonly Uint8Array[]): Uint8Array => list[random(list.length)] ?? new Uint8Array(0)

  const genuine = new Set(originals.flatMap(signedPart))
  const verify = async (quote: Uint8Array, collateral: IntelCollateral): Promise<void> => {
    const claims = await verifier.verifyQuote(quote, collateral, VALID_AT)
    assert.ok(genuine.has(toHex(claims.quote.signedBytes)), 'a quote was accepted that nobody made')
  }
  const surfaces: readonly ((bytes: Uint8Array) => unknown)[] = [
    (bytes) => verify(bytes, pool),
    async (bytes) => inspectQuote(parseQuote(bytes), nodeCrypto),
    (bytes) => {
      const found = findQuote(bytes)
      return found ? verify(found.quote, mergeCollateral(found.collateral, pool)) : refuse()
    },
    async (bytes) => {
      const collateral = readCollateralFile(bytes, 'fuzzed file')
      await verify(pick(quotes), mergeCollateral(pool, collateral))
    },
  ]
  let accepted = 0
  const costs = new Costs()
  for (let index = 0; index < inputs; index++) {
    const original = random(3) === 0 ? pick(quotes) : pick(originals)
    const input = mutate(original, pick(originals), random)
    const surface = surfaces[random(surfaces.length)] ?? refuse
    const what = `Intel, seed ${seed}, input ${index}`
    if (await costs.of(what, () => isAccepted(surface, input, what))) accepted += 1
  }
  return { inputs, accepted, ...costs.report() }
}

function refuse(): never {
  throw new EvidenceInvalid('fuzz', { message: 'nothing found', expected: 'a quote', found: 'none' })
}

async function isAccepted(
  surface: (bytes: Uint8Array) => unknown,
  input: Uint8Array,
  what: string,
): Promise<boolean> {
  try {
    await surface(input)
    return true
  } catch (error) {
    assert.ok(
      error instanceof EvidenceInvalid,
      `${what}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    )
    return false
  }
}

if (import.meta.main) await runFromCommandLine(fuzz)
