// Feeds mutated vectors of all kinds, bare and wrapped, to the one way in for evidence and the one for collateral of any
// vendor, and asserts that nothing but EvidenceInvalid is ever thrown, and that nothing forged is accepted.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import {
  EvidenceInvalid,
  evidenceClaimsJson,
  evidenceFacts,
  evidenceVerifier,
  findEvidence,
  guessKind,
  mergeEvidenceCollateral,
  readEvidenceCollateral,
} from '../../packages/attestation/src/index.ts'
import type { EvidenceCollateral } from '../../packages/attestation/src/index.ts'
import { sharedPath } from '../support/shared.ts'
import { mutate, randomNumbers } from './attestation.ts'
import { Costs } from './costs.ts'
import type { FuzzReport } from './costs.ts'

const VALID_AT = new Date('2025-07-04T10:16:31Z')

function filesBelow(folder: string): Uint8Array[] {
  return readdirSync(sharedPath(`golden/vectors/${folder}`), { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [new Uint8Array(readFileSync(path.join(entry.parentPath, entry.name)))] : [],
  )
}

/** Collateral that two quotes, Milan's reports and the CCA tokens verify with at that time. */
function pool(): EvidenceCollateral {
  const { vectors } = JSON.parse(readFileSync(sharedPath('golden/vectors/index.json'), 'utf8')) as {
    vectors: { platform_public_key_jwk?: unknown }[]
  }
  const keys = vectors.flatMap(({ platform_public_key_jwk: key }) =>
    key === undefined ? [] : [Buffer.from(JSON.stringify(key))],
  )
  const intel = [
    'tcbinfo/tdx-b0c06f000000-2025-06-19-ev17-v3-369f99a1.json',
    'qeidentity/td_qe-2025-06-19-ev17-261a8b43.json',
    'crl/platform-2025-06-19-e583e97a.der',
    'crl/root-2025-03-20-ad6f3f4e.der',
    'chain/tcb-signing-2025-2032.pem',
  ].map((name) => readFileSync(sharedPath(`golden/vectors/collateral/${name}`)))
  const all = [...intel, ...filesBelow('snp/certs'), ...keys]
  return mergeEvidenceCollateral(...all.map((file) => readEvidenceCollateral(file, 'pool')))
}

type Random = (below: number) => number

/** As a file may hold it: bare, or as text, or in JSON. */
function wrapped(bytes: Uint8Array, random: Random): Uint8Array {
  const buffer = Buffer.from(bytes)
  switch (random(6)) {
    case 0:
      return Buffer.from(buffer.toString('hex'))
    case 1:
      return Buffer.from(buffer.toString('base64'))
    case 2:
      return Buffer.from(JSON.stringify({ quote: buffer.toString('base64url'), more: 'text' }))
    default:
      return buffer
  }
}

/** @throws AssertionError naming the seed and the input's number */
export async function fuzzEvidence(inputs: number, seed: number): Promise<FuzzReport> {
  const random = randomNumbers(seed)
  const evidence = ['sgx', 'tdx', 'snp', 'nitro', 'cca', 'azure-vtpm', 'wrappers'].flatMap(filesBelow)
  const collateral = [
    ...['tcbinfo', 'qeidentity', 'crl', 'chain', 'amd-crl'].flatMap((name) =>
      filesBelow(`collateral/${name}`),
    ),
    ...filesBelow('snp/certs'),
  ]
  const verifier = evidenceVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
  const given = pool()
  const pick = (list: readonly Uint8Array[]): Uint8Array =>
    list[random(list.length)] ?? assert.fail('an empty list')

  const claimsOf = async (bytes: Uint8Array, more: EvidenceCollateral): Promise<string | undefined> => {
    guessKind(bytes)
    const found = findEvidence(bytes)
    if (!found) return undefined
    await unlessInvalid(() => evidenceFacts(found, nodeCrypto))
    const claims = await verifier.verify(found, more, VALID_AT)
    const json = await evidenceClaimsJson(claims, found, nodeCrypto)
    return JSON.stringify(signedPart(json))
  }
  const genuine = new Set<string | undefined>()
  for (const original of evidence) genuine.add(await unlessInvalid(() => claimsOf(original, given)))

  let accepted = 0
  const costs = new Costs()
  for (let index = 0; index < inputs; index++) {
    const what = `evidence, seed ${seed}, input ${index}`
    const isCollateral = random(4) === 0
    const list = isCollateral ? collateral : evidence
    const input = mutate(random(2) === 0 ? wrapped(pick(list), random) : pick(list), pick(list), random)
    const target = pick(evidence)
    const found = await costs.of(what, () =>
      described(what, () =>
        unlessInvalid(() =>
          isCollateral
            ? claimsOf(target, mergeEvidenceCollateral(given, readEvidenceCollateral(input, 'fuzzed file')))
            : claimsOf(input, given),
        ),
      ),
    )
    if (found === undefined) continue
    accepted += 1
    assert.ok(genuine.has(found), `${what}: evidence was accepted that nobody made`)
  }
  return { inputs, accepted, ...costs.report() }
}

/** What the TEE signed, in all kinds; collateral and unsigned parts may differ. */
function signedPart(json: Readonly<Record<string, unknown>>): unknown {
  const names = [
    'body',
    'measurement',
    'report_data',
    'reported_tcb',
    'pcrs',
    'user_data',
    'nonce',
    'platform',
    'realm',
  ]
  return names.map((name) => json[name] ?? null)
}

async function unlessInvalid<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof EvidenceInvalid) return undefined
    throw error
  }
}

async function described<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`, {
      cause: error,
    })
  }
}
