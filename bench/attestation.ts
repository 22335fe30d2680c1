// Verifications per second of CPU time, for each kind of evidence, against the machine's own rate of P-256 verifications in the
// same run. CPU time, because others may be using the machine. `node bench/attestation.ts [seconds per measurement]`

import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { nodeCrypto } from '../packages/attestation/src/core/node.ts'
import {
  amdCollateralFromFiles,
  amdVerifier,
  collateralFromParts,
  intelVerifier,
  nitroVerifier,
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

function report(what: string, perSecond: number, reference: number): void {
  const ratio = reference / perSecond
  console.log(
    `${what.padEnd(52)} ${perSecond.toFixed(0).padStart(7)} per CPU second ${ratio.toFixed(2).padStart(7)} P-256 verifications each`,
  )
}

async function p256Rate(): Promise<number> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = new Uint8Array(432)
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  const signature = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return rate(() => verify('sha256', data, key, signature))
}

async function main(): Promise<void> {
  if (skipWithoutShared !== false) {
    console.log(`not measured: ${skipWithoutShared}`)
    return
  }
  const reference = await p256Rate()
  report('P-256 verification (OpenSSL)', reference, reference)
  for (const { kind, prepare } of CASES()) {
    report(`${kind}, cached collateral and chains`, await rate(prepare()), reference)
    report(`${kind}, nothing cached`, await rate(() => prepare()()), reference)
  }
}

await main()
