// Verifications per second of CPU time, for each kind of evidence, against the machine's own rates of P-256 and P-384
// verifications in the same run. CPU time, because others may be using the machine, and a second of it is a second of one core.
// `node bench/attestation.ts [seconds per measurement]`

import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { nodeCrypto } from '../packages/attestation/src/core/node.ts'
import {
  NO_AMD_COLLATERAL,
  amdCollateralFromFiles,
  amdVerifier,
  azureVtpmVerifier,
  collateralFromFiles,
  collateralFromParts,
  intelVerifier,
  nitroVerifier,
  parseAzureVtpmEvidence,
  platformKeysFromJwk,
  verifyCcaToken,
} from '../packages/attestation/src/index.ts'
import type { IntelCollateralParts } from '../packages/attestation/src/index.ts'
import { sharedPath, skipWithoutShared } from '../tests/support/shared.ts'

interface BenchCase {
  readonly kind: string
  /** Makes a verifier that remembers nothing yet, and reads the collateral. */
  readonly prepare: () => () => unknown
}

const seconds = Number(process.argv[2] ?? '2')

const file = (name: string): Uint8Array => readFileSync(sharedPath(`golden/vectors/${name}`))

function intelCase(
  kind: string,
  quoteFile: string,
  time: string,
  [tcbInfo, qeIdentity, pckCrl]: readonly [string, string, string],
): BenchCase {
  const signing = file('collateral/chain/tcb-signing-2025-2032.pem')
  const quote = file(quoteFile)
  const at = new Date(time)
  const parts: IntelCollateralParts = {
    tcbInfo: file(`collateral/tcbinfo/${tcbInfo}.json`),
    tcbInfoIssuerChain: signing,
    qeIdentity: file(`collateral/qeidentity/${qeIdentity}.json`),
    qeIdentityIssuerChain: signing,
    pckCrl: file(`collateral/crl/${pckCrl}.der`),
    pckCrlIssuerChain: file('collateral/chain/pck-platform-ca.pem'),
    rootCaCrl: file('collateral/crl/root-2025-03-20-ad6f3f4e.der'),
  }
  return {
    kind,
    prepare: () => {
      const verifier = intelVerifier({ crypto: nodeCrypto })
      const collateral = collateralFromParts(parts)
      return () => verifier.verifyQuote(quote, collateral, at)
    },
  }
}

function snpCase(kind: string, reportFile: string, certificate: string, time: string): BenchCase {
  const report = file(reportFile)
  const vcek = file(certificate)
  const at = new Date(time)
  return {
    kind,
    prepare: () => {
      const verifier = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
      const collateral = amdCollateralFromFiles([vcek])
      return () => verifier.verifyReport(report, collateral, at)
    },
  }
}

function nitroCase(documentFile: string, time: string): BenchCase {
  const document = file(documentFile)
  const at = new Date(time)
  return {
    kind: 'Nitro document',
    prepare: () => {
      const verifier = nitroVerifier({ crypto: nodeCrypto })
      return () => verifier.verifyDocument(document, at)
    },
  }
}

function azureCase(
  kind: string,
  evidenceFile: string,
  time: string,
  collateral: readonly string[],
): BenchCase {
  const json = file(evidenceFile)
  const at = new Date(time)
  return {
    kind,
    prepare: () => {
      const amd = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
      const intel = intelVerifier({ crypto: nodeCrypto })
      const verifier = azureVtpmVerifier({ crypto: nodeCrypto, amd, intel })
      const given = {
        amd: NO_AMD_COLLATERAL,
        intel: collateralFromFiles(collateral.map((name) => file(`collateral/${name}`))),
      }
      return () => verifier.verifyEvidence(parseAzureVtpmEvidence(json), given, at)
    },
  }
}

function ccaCase(id: string): BenchCase {
  const { vectors } = JSON.parse(Buffer.from(file('index.json')).toString()) as {
    vectors: { id: string; file: string; platform_public_key_jwk?: unknown }[]
  }
  const vector = vectors.find((one) => one.id === id)
  const token = file(vector?.file ?? '')
  const platformKeys = platformKeysFromJwk(JSON.stringify(vector?.platform_public_key_jwk))
  return {
    kind: 'CCA token',
    prepare: () => () => verifyCcaToken(token, { crypto: nodeCrypto, platformKeys }),
  }
}

const CASES = (): readonly BenchCase[] => [
  intelCase('SGX quote v3', 'sgx/sgx-v3-automata-icelake.bin', '2025-08-30T05:09:06Z', [
    'sgx-00606a000000-2025-08-15-ev17-v3-8fdd553e',
    'qe-2025-08-15-ev17-fac5d949',
    'platform-2025-08-15-8b661233',
  ]),
  intelCase('TDX quote v4', 'tdx/tdx-v4-phala.bin', '2025-07-04T10:16:31Z', [
    'tdx-b0c06f000000-2025-06-19-ev17-v3-369f99a1',
    'td_qe-2025-06-19-ev17-261a8b43',
    'platform-2025-06-19-e583e97a',
  ]),
  intelCase('TDX quote v5', 'tdx/tdx-v5-gotdx.bin', '2026-02-25T00:45:50Z', [
    'tdx-90c06f000000-2026-02-01-ev18-v3-0316ba50',
    'td_qe-2026-02-18-ev18-34a28199',
    'platform-2026-02-18-de5b87f1',
  ]),
  snpCase(
    'SEV-SNP report',
    'snp/snp-v2-milan-virtee.bin',
    'snp/certs/vcek-3bbfb6ee.der',
    '2025-06-01T00:00:00Z',
  ),
  nitroCase('nitro/nitro-nautilus-weather.cbor', '2025-04-15T02:25:23Z'),
  azureCase('Azure VM on SNP', 'azure-vtpm/az-snp-vtpm-trustee-v1.json', '2025-06-01T00:00:00Z', []),
  azureCase('Azure VM on TDX', 'azure-vtpm/az-tdx-vtpm-trustee-v1.json', '2024-12-17T00:50:00Z', [
    'tcbinfo/tdx-00806f050000-2024-12-05-ev17-v3-151208f5.json',
    'qeidentity/td_qe-2024-12-05-ev17-7c7e032b.json',
    'crl/platform-2024-11-28-5adc9408.der',
    'crl/root-2024-03-20-6b9fff78.der',
    'chain/tcb-signing-2018-2025.pem',
    'chain/pck-platform-ca.pem',
  ]),
  ccaCase('cca-veraison-good'),
]

/** Rounds per second of CPU time, all threads counted; a tenth of the time warms up. */
async function rate(round: () => unknown): Promise<number> {
  await repeat(round, seconds * 100)
  const before = process.cpuUsage()
  const rounds = await repeat(round, seconds * 1000)
  const { user, system } = process.cpuUsage(before)
  return (rounds * 1e6) / (user + system)
}

async function repeat(round: () => unknown, milliseconds: number): Promise<number> {
  const end = performance.now() + milliseconds
  let rounds = 0
  while (performance.now() < end) {
    await round()
    rounds += 1
  }
  return rounds
}

interface References {
  readonly p256: number
  readonly p384: number
}

function report(what: string, perSecond: number, { p256, p384 }: References): void {
  const ratios = `${(p256 / perSecond).toFixed(1).padStart(6)} P-256, ${(p384 / perSecond).toFixed(2).padStart(6)} P-384`
  console.log(
    `${what.padEnd(48)} ${perSecond.toFixed(0).padStart(6)} per CPU second ${ratios} verifications each`,
  )
}

async function verificationRate(namedCurve: 'P-256' | 'P-384', hash: 'sha256' | 'sha384'): Promise<number> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  const data = new Uint8Array(432)
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  const signature = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return rate(() => verify(hash, data, key, signature))
}

async function main(): Promise<void> {
  if (skipWithoutShared !== false) {
    console.log(`not measured: ${skipWithoutShared}`)
    return
  }
  const references = {
    p256: await verificationRate('P-256', 'sha256'),
    p384: await verificationRate('P-384', 'sha384'),
  }
  report('P-256 verification (OpenSSL)', references.p256, references)
  report('P-384 verification (OpenSSL)', references.p384, references)
  for (const { kind, prepare } of CASES()) {
    report(`${kind}, cached collateral and chains`, await rate(prepare()), references)
    report(`${kind}, nothing cached`, await rate(() => prepare()()), references)
  }
}

await main()
