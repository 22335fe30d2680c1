// Verifications per second of CPU time, for each kind of evidence, against the machine's own rate of P-256 verifications in the
// same run. CPU time, because others may be using the machine. `node bench/attestation.ts [seconds per measurement]`

import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { nodeCrypto } from '../packages/attestation/src/core/node.ts'
import { collateralFromParts, intelVerifier } from '../packages/attestation/src/index.ts'
import type { IntelCollateralParts } from '../packages/attestation/src/index.ts'
import { sharedPath, skipWithoutShared } from '../tests/support/shared.ts'

/** What a vector is verified with. */
interface IntelCase {
  readonly kind: string
  readonly quote: Uint8Array
  readonly parts: IntelCollateralParts
  readonly at: Date
}

const seconds = Number(process.argv[2] ?? '2')

const file = (name: string): Uint8Array => readFileSync(sharedPath(`golden/vectors/${name}`))

function intelCase(
  kind: string,
  id: string,
  at: string,
  names: readonly [string, string, string, string, string],
): IntelCase {
  const [tcbInfo, qeIdentity, pckCrl, rootCaCrl, ca] = names
  const signing = file('collateral/chain/tcb-signing-2025-2032.pem')
  return {
    kind,
    quote: file(id),
    at: new Date(at),
    parts: {
      tcbInfo: file(`collateral/tcbinfo/${tcbInfo}.json`),
      tcbInfoIssuerChain: signing,
      qeIdentity: file(`collateral/qeidentity/${qeIdentity}.json`),
      qeIdentityIssuerChain: signing,
      pckCrl: file(`collateral/crl/${pckCrl}.der`),
      pckCrlIssuerChain: file(`collateral/chain/pck-${ca}-ca.pem`),
      rootCaCrl: file(`collateral/crl/${rootCaCrl}.der`),
    },
  }
}

const CASES = (): readonly IntelCase[] => [
  intelCase('SGX v3', 'sgx/sgx-v3-automata-icelake.bin', '2025-08-30T05:09:06Z', [
    'sgx-00606a000000-2025-08-15-ev17-v3-8fdd553e',
    'qe-2025-08-15-ev17-fac5d949',
    'platform-2025-08-15-8b661233',
    'root-2025-03-20-ad6f3f4e',
    'platform',
  ]),
  intelCase('TDX v4', 'tdx/tdx-v4-phala.bin', '2025-07-04T10:16:31Z', [
    'tdx-b0c06f000000-2025-06-19-ev17-v3-369f99a1',
    'td_qe-2025-06-19-ev17-261a8b43',
    'platform-2025-06-19-e583e97a',
    'root-2025-03-20-ad6f3f4e',
    'platform',
  ]),
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
  for (const { kind, quote, parts, at } of CASES()) {
    const warm = intelVerifier({ crypto: nodeCrypto })
    const collateral = collateralFromParts(parts)
    const cached = await rate(() => warm.verifyQuote(quote, collateral, at))
    report(`${kind}, cached collateral and chains`, cached, reference)
    const parsedEachTime = await rate(() => warm.verifyQuote(quote, collateralFromParts(parts), at))
    report(`${kind}, cached, collateral read each time`, parsedEachTime, reference)
    const cold = await rate(() =>
      intelVerifier({ crypto: nodeCrypto }).verifyQuote(quote, collateralFromParts(parts), at),
    )
    report(`${kind}, nothing cached`, cold, reference)
  }
}

await main()
