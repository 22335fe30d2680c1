/**
 * The whole chain outside of simulation, with the TEE kit in place of hardware: a Coordinator in an SGX enclave, and
 * marbles in enclaves, TDX and SEV-SNP guests, all through the code that runs on real ones.
 */
import assert from 'node:assert/strict'
import { createHash, verify, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { nodeCrypto } from '../packages/attestation/src/core/node.ts'
import {
  evidenceVerifier,
  findEvidence,
  readEvidenceCollateral,
  readPackagePolicy,
} from '../packages/attestation/src/index.ts'
import { createQuoteVerifier, parseAddress, verifyCoordinator } from '../packages/client/src/index.ts'
import type { QuoteVerifier, VerifiedCoordinator } from '../packages/client/src/index.ts'
import { createCollateralService, type CollateralService } from '../packages/collateral/src/index.ts'
import { openEvidenceProvider } from '../packages/evidence/src/index.ts'
import { activate, parseMarbleNames } from '../packages/marble/src/index.ts'
import { type Kit, type KitDescription, startKit } from '../packages/tee-kit/src/index.ts'
import { get, TestCoordinator } from './support/coordinator.ts'
import { kitRoots } from './support/kit-roots.ts'
import { runMarbleProcess } from './support/marble-process.ts'

const timeout = 120_000
const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-tee-'))
let kit: Kit
let collateral: CollateralService
let coordinator: TestCoordinator

before(async () => {
  kit = await startKit({
    folder,
    sgx: { coordinator: {}, enclave: { isvSvn: 3 }, other: { isvProdId: 9, isvSvn: 3 } },
    tdx: { guest: {}, debugged: { debug: true } },
    snp: { vm: {} },
    // AMD's keys have 4096 bits, and take seconds to make.
    amd: { keyBits: 2048 },
  })
  const roots = kitRoots(kit.description)
  collateral = createCollateralService({
    crypto: nodeCrypto,
    intel: { url: kit.service.url, ca: kit.service.ca },
    amd: { url: kit.service.url, ca: kit.service.ca },
    intelAnchors: roots.intel,
    amdAnchors: roots.amd,
  })
  writeFileSync(path.join(folder, 'service-ca.pem'), kit.service.ca)
  coordinator = await startCoordinator()
  await (await verified()).client().setManifest(Buffer.from(JSON.stringify(manifest())))
})

after(async () => {
  await coordinator[Symbol.asyncDispose]()
  collateral.close()
  await kit.close()
  rmSync(folder, { recursive: true, force: true })
})

const startCoordinator = (env: Readonly<Record<string, string | undefined>> = {}): Promise<TestCoordinator> =>
  TestCoordinator.start({
    command: [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      path.join(import.meta.dirname, 'support/tee-coordinator.ts'),
      path.join(folder, 'kit.json'),
    ],
    env: {
      OE_SIMULATION: undefined,
      TAW_EVIDENCE_GRAMINE_DIR: device('coordinator').root,
      TAW_PCCS_URL: kit.service.url,
      TAW_KDS_URL: kit.service.url,
      TAW_COLLATERAL_CA_FILE: path.join(folder, 'service-ca.pem'),
      ...env,
    },
    patience: 60_000,
  })

function device(name: string): KitDescription['devices'][string] {
  const found = kit.description.devices[name]
  assert.ok(found, name)
  return found
}

/** Text of an identity that a device shows. */
function shown(name: string, member: string): string {
  const value = device(name).identity[member]
  assert.ok(typeof value === 'string')
  return value
}

const signed = () => ({
  SignerID: shown('enclave', 'SignerID'),
  ProductID: 1,
  SecurityVersion: 3,
})
const tdx = () => ({ MRTD: shown('guest', 'mrTd'), RTMR1: rtmrs()[1] })
const snp = () => ({ Measurement: shown('vm', 'measurement') })

function rtmrs(): readonly string[] {
  const value = device('guest').identity['rtmrs']
  assert.ok(Array.isArray(value))
  return value.map(String)
}

const flipped = (hex: string): string => `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`

interface WrongPackage {
  readonly about: string
  readonly from: string
  readonly package: Readonly<Record<string, unknown>>
  /** What the refusal names. */
  readonly names: RegExp
}

/** One field wrong in each; the marble's type is the index. */
const wrongPackages = (): readonly WrongPackage[] => [
  ...Object.entries({
    SignerID: flipped(signed().SignerID),
    ProductID: 2,
    SecurityVersion: 4,
    Debug: true,
  }).map(([field, value]) => ({
    about: `SGX: ${field}`,
    from: 'enclave',
    package: { ...signed(), [field]: value },
    names: new RegExp(
      { SignerID: 'MRSIGNER', ProductID: 'ISVPRODID', SecurityVersion: 'ISVSVN' }[field] ?? field,
      'i',
    ),
  })),
  {
    about: 'SGX: UniqueID',
    from: 'enclave',
    package: { UniqueID: flipped(shown('enclave', 'UniqueID')) },
    names: /MRENCLAVE/,
  },
  ...[
    { MRTD: flipped(shown('guest', 'mrTd')) },
    { RTMR0: flipped(rtmrs()[0] ?? '') },
    { RTMR1: flipped(rtmrs()[1] ?? '') },
    { RTMR2: flipped(rtmrs()[2] ?? '') },
    { RTMR3: flipped(rtmrs()[3] ?? '') },
    { MRConfigID: 'ab'.repeat(48) },
    { Debug: true },
  ].map((fields) => ({
    about: `TDX: ${Object.keys(fields).join()}`,
    from: 'guest',
    package: { TDX: { ...tdx(), ...fields } },
    names: new RegExp(Object.keys(fields).join(), 'i'),
  })),
  {
    about: 'TDX: a debugged guest',
    from: 'debugged',
    package: { TDX: { MRTD: shown('debugged', 'mrTd') } },
    names: /debug/i,
  },
  ...[
    { Measurement: flipped(shown('vm', 'measurement')) },
    { HostData: 'ab'.repeat(32) },
    { MinimumGuestSVN: 1000 },
    { ChipID: 'ab'.repeat(64) },
    { VMPL: 3 },
    { Products: ['Turin'] },
    { MinimumTCB: { Microcode: 255 } },
    { Debug: true },
  ].map((fields) => ({
    about: `SNP: ${Object.keys(fields).join()}`,
    from: 'vm',
    package: { SNP: { ...snp(), ...fields } },
    names:
      {
        HostData: /host.?data/i,
        MinimumGuestSVN: /guest.?svn/i,
        ChipID: /chip.?id/i,
        Products: /product/i,
        MinimumTCB: /microcode/i,
      }[Object.keys(fields).join()] ?? new RegExp(Object.keys(fields).join(), 'i'),
  })),
  { about: 'SGX where only TDX is accepted', from: 'enclave', package: { TDX: tdx() }, names: /TDX.*SGX/s },
  { about: 'TDX where only SGX is accepted', from: 'guest', package: signed(), names: /SGX.*TDX/s },
]

function manifest(): unknown {
  const wrong = wrongPackages()
  return {
    Packages: {
      app: { ...signed(), TDX: tdx(), SNP: snp() },
      ...Object.fromEntries(wrong.map((one, index) => [`wrong${index}`, one.package])),
    },
    Marbles: {
      web: {
        Package: 'app',
        Parameters: { Env: { KEY: '{{ hex .Secrets.key }}' }, Argv: ['sh', '-c', 'echo "got $KEY"'] },
      },
      ...Object.fromEntries(wrong.map((_, index) => [`wrong${index}`, { Package: `wrong${index}` }])),
    },
    Secrets: { key: { Type: 'symmetric-key', Size: 128, Shared: true } },
    Config: { FeatureGates: ['SignQuoteEndpoint'] },
  }
}

/** What `/api/v2/quote` says. */
async function quoteAnswer(of: TestCoordinator): Promise<Record<string, unknown>> {
  const { status, text } = await get(of.clientPort, '/api/v2/quote')
  assert.equal(status, 200, text)
  return (JSON.parse(text) as { data: Record<string, unknown> }).data
}

const verifier = (): QuoteVerifier => createQuoteVerifier({ collateral, roots: kitRoots(kit.description) })

const verified = (
  entry: unknown = device('coordinator').identity,
  verifyQuote = verifier(),
): Promise<VerifiedCoordinator> =>
  verifyCoordinator(parseAddress(`127.0.0.1:${coordinator.clientPort}`), Buffer.from('a nonce'), {
    insecure: false,
    policy: { package: readPackagePolicy(withoutUniqueId(entry)).policy },
    verifyQuote,
  })

/** An entry has either the build or the signer. */
const withoutUniqueId = (entry: unknown): unknown => ({ ...Object(entry), UniqueID: undefined })

/** Activates in this process, with the evidence of a device. */
async function activateFrom(name: string, marbleType: string, at = coordinator): Promise<unknown> {
  const { tee, root } = device(name)
  const evidence = await openEvidenceProvider(
    tee === 'sgx' ? 'gramine' : 'tsm',
    tee === 'sgx' ? { gramineRoot: root } : { tsmRoot: root },
  )
  return activate({
    coordinator: parseAddress(`127.0.0.1:${at.meshPort}`),
    marbleType,
    uuid: crypto.randomUUID(),
    names: parseMarbleNames('localhost'),
    evidence,
    retry: { totalMs: 0 },
  })
}

suite('a deployment in TEEs', { timeout }, () => {
  test('users verify the Coordinator by its quote', async () => {
    assert.equal((await verified()).assurance, 'attested')
    const entry = device('coordinator').identity
    await assert.rejects(verified({ ...entry, SecurityVersion: 2 }), { code: 'policy_mismatch' })
    await assert.rejects(verified({ ...entry, SignerID: 'ab'.repeat(32) }), { code: 'policy_mismatch' })
    await assert.rejects(verified({ TDX: { MRTD: 'ab'.repeat(48) } }), { code: 'policy_mismatch' })
  })

  test('under the CPU vendors’ own roots it is nobody', async () => {
    await assert.rejects(verified(undefined, createQuoteVerifier({ collateral })), {
      code: 'evidence_invalid',
    })
  })

  test('who reaches nobody but the Coordinator verifies it with the collateral that it gives along', async () => {
    const roots = kitRoots(kit.description)
    const asked = kit.service.requests()
    const ofCoordinator = createQuoteVerifier({ collateral: 'from-coordinator', roots })
    assert.equal((await verified(undefined, ofCoordinator)).assurance, 'attested')
    const identity = device('coordinator').identity
    await assert.rejects(verified({ ...identity, SecurityVersion: 2 }, ofCoordinator), {
      code: 'policy_mismatch',
    })
    const ofVendors = createQuoteVerifier({ collateral: 'from-coordinator' })
    await assert.rejects(verified(identity, ofVendors), { code: 'evidence_invalid' })

    // Saved, it is a file for all that takes collateral; and strangers who ask for it cause no requests.
    const answers = await Promise.all(Array.from({ length: 20 }, () => quoteAnswer(coordinator)))
    const [{ quote, kind, collateral: bundle } = {}] = answers
    assert.equal(kind, 'sgx-quote')
    const file = readEvidenceCollateral(Buffer.from(JSON.stringify(bundle)), 'the bundle')
    const found = findEvidence(Buffer.from(String(quote), 'base64'))
    assert.ok(found)
    const { kind: proven } = await evidenceVerifier({
      crypto: nodeCrypto,
      revocation: 'required',
      roots,
    }).verify(found, file, new Date())
    assert.equal(proven, 'sgx-quote')
    assert.ok(kit.service.requests() - asked <= 4, 'each document was asked for once')
    const old = await get(coordinator.clientPort, '/quote')
    assert.deepEqual(Object.keys((JSON.parse(old.text) as { data: object }).data), ['Cert', 'Quote'])
  })

  test('without collateral the quote is given all the same, with the reason', async () => {
    for (const [fault, reason] of [
      ['down', /^(unreachable|interrupted)$/],
      ['silent', /^late$/],
    ] as const) {
      await using fresh = await startCoordinator({
        TAW_COLLATERAL_DIR: mkdtempSync(path.join(folder, 'empty-')),
      })
      kit.service.setFault(fault)
      try {
        let answer = await quoteAnswer(fresh)
        // Three attempts may take longer than an answer waits.
        while (fault === 'down' && answer['collateralUnavailable'] === 'late')
          answer = await quoteAnswer(fresh)
        const { quote, collateral: bundle, collateralUnavailable } = answer
        assert.ok(quote)
        assert.equal(bundle, undefined)
        assert.match(String(collateralUnavailable), reason)
        if (fault === 'down') {
          const asked = kit.service.requests()
          await Promise.all(Array.from({ length: 10 }, () => quoteAnswer(fresh)))
          assert.equal(kit.service.requests(), asked, 'what can’t be had is not asked for again for a while')
        }
      } finally {
        kit.service.setFault(undefined)
      }
    }
    await using alone = await startCoordinator({
      TAW_COLLATERAL_DIR: mkdtempSync(path.join(folder, 'empty-')),
      TAW_PCCS_URL: 'off',
    })
    assert.equal((await quoteAnswer(alone))['collateralUnavailable'], 'offline')
  })

  test('one package on SGX, TDX and SEV-SNP: all get the same shared secret', async () => {
    const keys = await Promise.all(
      ['enclave', 'guest', 'vm'].map(async (name) => {
        const { tee, root } = device(name)
        const workingFolder = mkdtempSync(path.join(folder, `marble-${name}-`))
        const { stdout, stderr, exitCode } = await runMarbleProcess({
          command: ['sh'],
          workingFolder,
          environment: {
            PATH: process.env['PATH'] ?? '',
            EDG_MARBLE_TYPE: 'web',
            EDG_MARBLE_COORDINATOR_ADDR: `127.0.0.1:${coordinator.meshPort}`,
            TAW_MARBLE_EVIDENCE: tee === 'sgx' ? 'gramine' : 'tsm',
            [tee === 'sgx' ? 'TAW_MARBLE_EVIDENCE_GRAMINE_DIR' : 'TAW_MARBLE_EVIDENCE_TSM_DIR']: root,
          },
        })
        assert.equal(exitCode, 0, stderr)
        return /^got ([0-9a-f]{32})$/m.exec(stdout)?.[1]
      }),
    )
    assert.ok(keys[0])
    assert.deepEqual(keys, [keys[0], keys[0], keys[0]])
  })

  test('every field of the policy counts, and is named when it is wrong', async () => {
    for (const [index, { about, from, names }] of wrongPackages().entries()) {
      await assert.rejects(activateFrom(from, `wrong${index}`), (error) => {
        assert.ok(error instanceof Error)
        assert.match(error.message, new RegExp(`"wrong${index}"`), about)
        assert.match(error.message, names, about)
        return true
      })
    }
    await assert.rejects(activateFrom('other', 'web'), /ISVPRODID/)
  })

  test('no evidence, that of another connection, and that of nobody are refused', async () => {
    const send = (quote: Uint8Array): Promise<unknown> =>
      activate({
        coordinator: parseAddress(`127.0.0.1:${coordinator.meshPort}`),
        marbleType: 'web',
        uuid: crypto.randomUUID(),
        names: parseMarbleNames('localhost'),
        evidence: {
          name: quote.length === 0 ? 'none' : 'gramine',
          kind: 'sgx-quote',
          quote: () =>
            Promise.resolve(quote.length === 0 ? undefined : { kind: 'sgx-quote', evidence: quote }),
        },
        retry: { totalMs: 0 },
      })
    await assert.rejects(send(Buffer.of()), /there is none/)
    await assert.rejects(send(Buffer.from('no quote at all, but long enough to be one')), /no known kind/)
    const provider = await openEvidenceProvider('gramine', { gramineRoot: device('enclave').root })
    const stolen = await provider.quote(createHash('sha256').update('another certificate').digest())
    assert.ok(stolen)
    await assert.rejects(send(stolen.evidence), /not bound to this TLS connection/)
  })

  test('quotes are signed for those who trust the Coordinator', async () => {
    const provider = await openEvidenceProvider('gramine', { gramineRoot: device('enclave').root })
    const quote = await provider.quote(Buffer.alloc(64, 1))
    assert.ok(quote)
    const sgxQuote = Buffer.from(quote.evidence).toString('base64')
    const { chain } = await verified()
    const { status, text } = await get(coordinator.clientPort, '/api/v2/sign-quote', {
      method: 'POST',
      body: JSON.stringify({ sgxQuote }),
    })
    assert.equal(status, 200, text)
    const { data } = JSON.parse(text) as { data: { tcbStatus: string; verificationSignature: string } }
    assert.equal(data.tcbStatus, 'UpToDate')
    const signature = Buffer.from(data.verificationSignature, 'base64')
    const rootKey = new X509Certificate(chain.rootPem).publicKey
    assert.ok(verify('sha256', Buffer.from(sgxQuote + data.tcbStatus), rootKey, signature))
    assert.ok(!verify('sha256', Buffer.from(`${sgxQuote}OutOfDate`), rootKey, signature))
  })

  test('the state is sealed by the enclave’s key: a restart keeps it', async () => {
    const before = readFileSync(path.join(coordinator.sealDirectory, 'sealed_key'))
    await coordinator.restart()
    assert.equal((await (await verified()).client().status()).code, 3)
    assert.ok(before.length > 0)
    await activateFrom('guest', 'web')
  })

  test('a collateral service that is down is no reason to admit, and none to stay down', async () => {
    await using fresh = await startCoordinator({
      TAW_COLLATERAL_DIR: mkdtempSync(path.join(folder, 'empty-')),
    })
    const raw = Buffer.from(JSON.stringify(manifest()))
    const set = await get(fresh.clientPort, '/manifest', { method: 'POST', body: raw })
    assert.equal(set.status, 200, set.text)
    kit.service.setFault('down')
    try {
      await assert.rejects(
        activateFrom('guest', 'web', fresh),
        /intel-[a-z-]+.*(unreachable|interrupted|timeout)/s,
      )
    } finally {
      kit.service.setFault(undefined)
    }
  })
})
