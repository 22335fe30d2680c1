// Feeds mutated vectors of SEV-SNP, Nitro, Azure vTPM and Arm CCA to everything that reads foreign bytes, and asserts that
// nothing but EvidenceInvalid is ever thrown, that nothing forged is accepted, and that no input costs much.
// `node tests/fuzz/attestation-amd-nitro-azure-cca.ts [inputs] [seed]`

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import {
  amdCollateralFromFiles,
  mergeAmdCollateral,
  readAmdCollateralFile,
} from '../../packages/attestation/src/amd/collateral.ts'
import { findSnpReport } from '../../packages/attestation/src/amd/containers.ts'
import { SIGNED_LENGTH } from '../../packages/attestation/src/amd/report-signature.ts'
import { amdVerifier } from '../../packages/attestation/src/amd/verify.ts'
import { parseAzureVtpmEvidence } from '../../packages/attestation/src/azure/evidence.ts'
import type { AzureVtpmEvidence } from '../../packages/attestation/src/azure/evidence.ts'
import { azureVtpmFacts } from '../../packages/attestation/src/azure/facts.ts'
import { azureVtpmVerifier } from '../../packages/attestation/src/azure/verify.ts'
import { platformKeysFromJwk } from '../../packages/attestation/src/cca/keys.ts'
import { verifyCcaToken } from '../../packages/attestation/src/cca/verify.ts'
import { toHex } from '../../packages/attestation/src/core/encoding.ts'
import { EvidenceInvalid } from '../../packages/attestation/src/core/errors.ts'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import { NO_COLLATERAL } from '../../packages/attestation/src/intel/collateral.ts'
import { intelVerifier } from '../../packages/attestation/src/intel/verify.ts'
import { findNitroDocument } from '../../packages/attestation/src/nitro/containers.ts'
import { nitroVerifier } from '../../packages/attestation/src/nitro/verify.ts'
import { readShared, sharedPath } from '../support/shared.ts'
import { mutate, randomNumbers } from './attestation.ts'
import { runFromCommandLine } from './command-line.ts'
import { Costs } from './costs.ts'
import type { FuzzReport } from './costs.ts'

/** Milan's VCEKs of the vectors and its revocation list are valid then. */
const AMD_TIME = new Date('2025-06-01T00:00:00Z')

/** One way in for foreign bytes, with what is fed to it. */
interface Surface {
  readonly name: string
  readonly originals: readonly Uint8Array[]
  /** @returns what was accepted, in a form that only genuine evidence gives */
  readonly run: (bytes: Uint8Array) => Promise<string>
}

const file = (name: string): Uint8Array => new Uint8Array(readFileSync(sharedPath(`golden/vectors/${name}`)))
const folder = (name: string): Uint8Array[] =>
  readdirSync(sharedPath(`golden/vectors/${name}`), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => file(`${name}/${entry.name}`))

const nothing = (): never => {
  throw new EvidenceInvalid('fuzz', { message: 'nothing found', expected: 'evidence', found: 'none' })
}

function amdSurfaces(): Surface[] {
  const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
  const certificates = folder('snp/certs')
  const pool = amdCollateralFromFiles(certificates)
  const report = file('snp/snp-v2-milan-virtee.bin')
  const verify = async (bytes: Uint8Array, collateral = pool): Promise<string> => {
    await verifier.verifyReport(bytes, collateral, AMD_TIME)
    return toHex(bytes.subarray(0, SIGNED_LENGTH))
  }
  const wrapper = readShared('golden/vectors/wrappers/veraison-sevsnp-tsm-report.json') as { auxblob: string }
  const table = new Uint8Array(Buffer.from(wrapper.auxblob, 'base64url'))
  return [
    { name: 'SNP report', originals: folder('snp'), run: (bytes) => verify(bytes) },
    {
      name: 'AMD collateral',
      originals: [...certificates, ...folder('collateral/amd-crl'), table],
      run: (bytes) => verify(report, mergeAmdCollateral(pool, readAmdCollateralFile(bytes, 'fuzzed file'))),
    },
    {
      name: 'configfs-tsm report',
      originals: [file('wrappers/veraison-sevsnp-tsm-report.json')],
      run: async (bytes) => {
        const found = findSnpReport(bytes) ?? nothing()
        const own = found.certificateTable ? [readAmdCollateralFile(found.certificateTable, 'table')] : []
        return verify(found.report, mergeAmdCollateral(...own, pool))
      },
    },
  ]
}

function nitroSurfaces(): Surface[] {
  const verifier = nitroVerifier({ crypto: nodeCrypto })
  const at = new Date('2025-04-15T02:25:23Z')
  const verify = async (bytes: Uint8Array): Promise<string> => {
    const { verifiedAt, validUntil, checks, ...claims } = await verifier.verifyDocument(bytes, at)
    assert.ok(verifiedAt <= validUntil && checks.length > 0)
    return JSON.stringify(claims)
  }
  const genuine = file('nitro/nitro-nautilus-weather.cbor')
  return [
    { name: 'Nitro document', originals: [genuine, genuine, ...folder('nitro')], run: verify },
    {
      name: 'certificate with a Nitro document',
      originals: [file('wrappers/evervault-cert-with-nitro-doc.der')],
      run: async (bytes) => verify(findNitroDocument(bytes) ?? nothing()),
    },
  ]
}

function azureSurfaces(): Surface[] {
  const verifier = azureVtpmVerifier({
    crypto: nodeCrypto,
    amd: amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' }),
    intel: intelVerifier({ crypto: nodeCrypto }),
  })
  const collateral = { amd: amdCollateralFromFiles([]), intel: NO_COLLATERAL }
  const verify = async (evidence: AzureVtpmEvidence): Promise<string> => {
    const claims = await verifier.verifyEvidence(evidence, collateral, AMD_TIME)
    return JSON.stringify([claims.nonce, claims.pcrs, claims.vmConfiguration, claims.keyIds, claims.userData])
  }
  const json = file('azure-vtpm/az-snp-vtpm-trustee-v1.json')
  const evidence = parseAzureVtpmEvidence(json)
  const { tpmQuote } = evidence
  return [
    {
      name: 'Azure evidence in JSON',
      originals: [
        json,
        file('azure-vtpm/az-snp-vtpm-trustee-v0.json'),
        file('azure-vtpm/az-tdx-vtpm-trustee-v1.json'),
      ],
      run: async (bytes) => {
        const parsed = parseAzureVtpmEvidence(bytes)
        azureVtpmFacts(parsed)
        return verify(parsed)
      },
    },
    {
      name: 'HCL report',
      originals: [evidence.hclReport],
      run: (hclReport) => verify({ ...evidence, hclReport }),
    },
    {
      name: 'TPM quote',
      originals: [tpmQuote.message],
      run: (message) => verify({ ...evidence, tpmQuote: { ...tpmQuote, message } }),
    },
    {
      name: 'TPM signature',
      originals: [tpmQuote.signature],
      run: (signature) => verify({ ...evidence, tpmQuote: { ...tpmQuote, signature } }),
    },
  ]
}

function ccaSurfaces(): Surface[] {
  const { vectors } = readShared('golden/vectors/index.json') as {
    vectors: { kind: string; platform_public_key_jwk?: unknown }[]
  }
  const platformKeys = vectors.flatMap(({ platform_public_key_jwk: jwk }) =>
    jwk === undefined ? [] : platformKeysFromJwk(JSON.stringify(jwk)),
  )
  const run = async (bytes: Uint8Array): Promise<string> => {
    const { checks, ...claims } = await verifyCcaToken(bytes, { crypto: nodeCrypto, platformKeys })
    assert.ok(checks.length > 0)
    return JSON.stringify(claims)
  }
  return [{ name: 'CCA token', originals: folder('cca'), run }]
}

/** @throws AssertionError naming the seed and the input's number */
export async function fuzzOtherKinds(inputs: number, seed: number): Promise<FuzzReport> {
  const random = randomNumbers(seed)
  const surfaces = [...amdSurfaces(), ...nitroSurfaces(), ...azureSurfaces(), ...ccaSurfaces()]
  const genuine = new Map<string, ReadonlySet<string>>()
  for (const { name, originals, run } of surfaces) {
    const accepted = await Promise.all(
      originals.map((original) => outcome(run, original, `${name}, original`)),
    )
    genuine.set(name, new Set(accepted.filter((one) => one !== undefined)))
  }
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] ?? assert.fail('an empty list')

  let accepted = 0
  const costs = new Costs()
  for (let index = 0; index < inputs; index++) {
    const { name, originals, run } = pick(surfaces)
    const input = mutate(pick(originals), pick(pick(surfaces).originals), random)
    const what = `${name}, seed ${seed}, input ${index}`
    const found = await costs.of(what, () => outcome(run, input, what))
    if (found === undefined) continue
    accepted += 1
    assert.ok(genuine.get(name)?.has(found), `${what}: evidence was accepted that nobody made`)
  }
  return { inputs, accepted, ...costs.report() }
}

async function outcome(run: Surface['run'], input: Uint8Array, what: string): Promise<string | undefined> {
  try {
    return await run(input)
  } catch (error) {
    assert.ok(
      error instanceof EvidenceInvalid,
      `${what}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    )
    return undefined
  }
}

if (import.meta.main) await runFromCommandLine(fuzzOtherKinds)
