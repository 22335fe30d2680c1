import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { suite, test } from 'node:test'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import { parseCertificateChain } from '../../packages/attestation/src/core/x509.ts'
import {
  collateralFromFiles,
  collateralFromParts,
  findQuote,
  inspectQuote,
  intelVerifier,
  mergeCollateral,
  parseQuote,
} from '../../packages/attestation/src/index.ts'
import type {
  Certificate,
  IntelCollateral,
  IntelCollateralParts,
} from '../../packages/attestation/src/index.ts'
import { INTEL_ROOTS } from '../../packages/attestation/src/intel/anchors.ts'
import type { SignedDocument } from '../../packages/attestation/src/intel/collateral.ts'
import { verifyIssuer } from '../../packages/attestation/src/intel/endorsements.ts'
import { TCB_INFO } from '../../packages/attestation/src/intel/select-collateral.ts'
import { Trust } from '../../packages/attestation/src/intel/trust.ts'
import { sharedPath, skipWithoutShared } from '../support/shared.ts'
import { evidenceRejection } from '../support/tee-kit-intel.ts'
import {
  NOT_PARSED,
  apply,
  isAccepted,
  loadMutations,
  loadVectors,
  partFiles,
  partNames,
  vectorFile,
} from './intel-vectors.ts'
import type { CollateralFiles, Scenario, Vector } from './intel-vectors.ts'

const vectors = skipWithoutShared === false ? loadVectors() : []
const quotes = vectors.filter(({ kind }) => kind === 'sgx-quote' || kind === 'tdx-quote')
const vector = (id: string): Vector => {
  const found = vectors.find((one) => one.id === id)
  assert.ok(found, `no vector ${id}`)
  return found
}

const verifier = intelVerifier({ crypto: nodeCrypto })
const trust = new Trust(nodeCrypto, INTEL_ROOTS)

/** Both ways to hand collateral over: each document with its chain, and a heap of files. */
function bothForms(files: CollateralFiles): readonly (readonly [string, IntelCollateral])[] {
  const parts = partFiles(files)
  return [
    ['parts', collateralFromParts(parts)],
    ['files', collateralFromFiles(Object.values(parts))],
  ]
}

suite('Intel vectors', { skip: skipWithoutShared }, () => {
  test('each quote gives the recorded facts', async () => {
    for (const { id, file, facts } of quotes) {
      if (!facts) continue
      const expected = Object.entries(facts).filter(([name]) => !NOT_PARSED.includes(name))
      const found = await inspectQuote(parseQuote(vectorFile(file)), nodeCrypto)
      const relevant = Object.fromEntries(expected.map(([name]) => [name, found[name] ?? null]))
      const wanted = Object.fromEntries(expected)
      if (wanted['root_sha256'] === undefined) delete relevant['root_is_current_intel_root']
      if (wanted['root_sha256'] === undefined) delete wanted['root_is_current_intel_root']
      assert.deepEqual(relevant, wanted, id)
    }
  })

  for (const { id, file, scenarios, verdict } of quotes) {
    test(`${id} has the recorded verdict`, async () => {
      const at = new Date(scenarios?.[0]?.validation_time ?? '2025-06-28T00:00:00Z')
      const authenticate = (): unknown => verifier.authenticateQuote(vectorFile(file), [], at)
      if (
        verdict?.signature_and_chain === 'valid' ||
        verdict?.signature_and_chain === 'implementation-defined'
      ) {
        await authenticate()
        return
      }
      const { check } = await evidenceRejection(authenticate)
      if (verdict?.signature_and_chain === 'incomplete') assert.equal(check, 'pck-certificate')
    })

    for (const scenario of scenarios ?? []) {
      if (!scenario.collateral) continue
      const { collateral } = scenario
      test(`${id}: ${scenario.name}`, async () => {
        for (const [form, given] of bothForms(collateral)) await checkScenario(file, scenario, given, form)
      })
    }
  }

  for (const { base, base_file, base_length, scenario, validation_time, mutations } of loadMutations()
    .quotes) {
    const files = vector(base).scenarios?.find(({ name }) => name === scenario)?.collateral
    for (const { name, ops, expected } of mutations) {
      test(`${base} mutated: ${name}`, async () => {
        assert.ok(files)
        const original = vectorFile(base_file).subarray(0, base_length)
        const mutated = ops.reduce(apply, original)
        const verify = (): unknown =>
          verifier.verifyQuote(mutated, collateralFromParts(partFiles(files)), new Date(validation_time))
        if (isAccepted(expected, name)) await verify()
        else await evidenceRejection(verify)
      })
    }
  }

  for (const { base, scenario, probes } of loadMutations().time) {
    for (const { when, time, expected_in_window } of probes) {
      test(`${base} at another time: ${when}`, async () => {
        const found = vector(base).scenarios?.find(({ name }) => name === scenario)
        assert.ok(found?.collateral)
        for (const [, collateral] of bothForms(found.collateral)) {
          const verify = (): unknown =>
            verifier.verifyQuote(vectorFile(vector(base).file), collateral, new Date(time))
          if (expected_in_window) await verify()
          else await evidenceRejection(verify)
        }
      })
    }
  }

  for (const { base, validation_time, collateral, probes } of loadMutations().collateral) {
    for (const { name, recipe, expected } of probes) {
      test(`${base} with other collateral: ${name}`, async () => {
        const parts: IntelCollateralParts = partFiles(collateral)
        const slot = partNames[recipe?.file ?? '']
        const changed =
          slot && recipe ? { ...parts, [slot]: apply(parts[slot] ?? new Uint8Array(), recipe) } : parts
        const verify = (): unknown =>
          verifier.verifyQuote(
            vectorFile(vector(base).file),
            collateralFromParts(changed),
            new Date(validation_time),
          )
        if (isAccepted(expected, name)) await verify()
        else await evidenceRejection(verify)
      })
    }
  }
})

suite('Intel wrappers', { skip: skipWithoutShared }, () => {
  const wrapper = (name: string): Uint8Array => vectorFile(`wrappers/${name}`)
  const quoteIn = (name: string): Uint8Array => {
    const found = findQuote(wrapper(name))
    assert.ok(found, name)
    return found.quote
  }
  const pool = (): IntelCollateral =>
    collateralFromFiles(
      ['tcbinfo', 'qeidentity', 'crl', 'chain']
        .flatMap((folder) => filesIn(`collateral/${folder}`))
        .map((name) => vectorFile(name)),
    )

  test('quotes are found in them, and are the vectors of their own', () => {
    for (const [name, id] of [
      ['oe-report-bad.bin', 'sgx-v3-oe-bad-ca'],
      ['oe-cert-ec-bad.der', 'sgx-v3-oe-bad-cert-der'],
      ['oe-cert-rsa-bad.der', 'sgx-v3-oe-bad-root'],
      ['maa-signing-cert.pem', 'sgx-v3-azure-maa-cert-embedded'],
      ['azure-oe-enclave-info-release.json', 'sgx-v3-azure-oe-release-oldroot'],
      ['oasis-pcs-quote-bundle.cbor', 'sgx-v3-oasis-pck-chain'],
      ['dstack-tdx-lite-getquote.json', 'tdx-v4-dstack-lite'],
    ] as const) {
      const own = parseQuote(vectorFile(vector(id).file))
      assert.deepEqual(parseQuote(quoteIn(name)).signedBytes, own.signedBytes, name)
    }
    for (const name of [
      'evervault-cert-with-nitro-doc.der',
      'veraison-sevsnp-tsm-report.json',
      'oe-endorsements.bin',
    ]) {
      assert.equal(findQuote(wrapper(name)), undefined, name)
    }
    assert.equal(findQuote(wrapper('maa-signing-cert.pem'))?.certificate?.serial, '01')
  })

  test('quotes in them verify or not, as recorded', async () => {
    for (const [name, at, status] of [
      ['maa-signing-cert.pem', '2025-06-11T19:18:17Z', 'OutOfDate'],
      ['azure-oe-enclave-info-release.json', '2025-06-11T19:18:17Z', 'OutOfDate'],
      ['dstack-tdx-lite-getquote.json', '2026-04-15T12:00:00Z', 'UpToDate'],
    ] as const) {
      assert.equal((await verifier.verifyQuote(quoteIn(name), pool(), new Date(at))).tcb.status, status, name)
    }
    for (const name of ['oe-report-bad.bin', 'oe-cert-ec-bad.der', 'oe-cert-rsa-bad.der']) {
      const verify = (): unknown =>
        verifier.verifyQuote(quoteIn(name), pool(), new Date('2025-06-28T12:00:00Z'))
      assert.equal((await evidenceRejection(verify)).check, 'pck-chain')
    }
  })

  test('collateral in them verifies the quotes that it belongs to', async () => {
    for (const [name, id, at, status] of [
      ['oe-endorsements.bin', 'sgx-v3-oe-evidence-debug', '2022-05-11T00:00:00Z', 'SWHardeningNeeded'],
      [
        'oe-tdx-endorsement-memory-dump.bin',
        'tdx-v5-oe-relaunch',
        '2025-03-10T00:00:00Z',
        'TDRelaunchAdvised',
      ],
      [
        'dcap-qvl-sgx-collateral.json',
        'sgx-v3-phala-processor',
        '2025-07-04T00:00:00Z',
        'ConfigurationAndSWHardeningNeeded',
      ],
      ['dcap-qvl-tdx-collateral.json', 'tdx-v4-phala', '2025-07-04T00:00:00Z', 'UpToDate'],
    ] as const) {
      const quote = vectorFile(vector(id).file)
      const { tcb } = await verifier.verifyQuote(quote, collateralFromFiles([wrapper(name)]), new Date(at))
      assert.equal(tcb.status, status, name)
    }
    const outdated = collateralFromFiles([wrapper('dcap-qvl-tdx-outdated-collateral.json')])
    const quote = vectorFile(vector('tdx-v5-phala-outdated').file)
    const error = await evidenceRejection(() =>
      verifier.verifyQuote(quote, outdated, new Date('2026-03-05T00:00:00Z')),
    )
    assert.equal(error.check, 'tcb-level')
  })

  test('the TCB info of Fortanix, and the bundle of Oasis, have genuine documents', async () => {
    const fortanix = collateralFromFiles([wrapper('fortanix-00906ed50000-19.tcb.json')])
    const quote = vectorFile(vector('sgx-v3-mobilecoin-hw').file)
    const { tcb } = await verifier.verifyQuote(
      quote,
      mergeCollateral(fortanix, pool()),
      new Date('2025-06-11T19:18:17Z'),
    )
    assert.equal(tcb.tcbEvaluationDataNumber, 19)
    const { collateral } = findQuote(wrapper('oasis-pcs-quote-bundle.cbor')) ?? {}
    assert.ok(collateral)
    for (const document of [...collateral.tcbInfos, ...collateral.qeIdentities]) {
      await verifyIssuer(document, collateral.certificates, TCB_INFO, trust)
    }
  })
})

suite('Intel collateral', { skip: skipWithoutShared }, () => {
  const chain = (name: string): readonly Certificate[] =>
    parseCertificateChain(Buffer.from(vectorFile(name)).toString())
  const documentsIn = (file: string): readonly SignedDocument<unknown>[] => {
    const { tcbInfos, qeIdentities } = collateralFromFiles([vectorFile(file)])
    return [...tcbInfos, ...qeIdentities]
  }

  for (const { id, kind, file } of vectors) {
    if (kind !== 'collateral-negative' && kind !== 'collateral') continue
    test(`${id} is ${kind === 'collateral' ? 'accepted' : 'refused'}`, async () => {
      const isChain = file.endsWith('.pem')
      const check = async (): Promise<void> => {
        const issuers = isChain ? chain(file) : chain('collateral/chain/tcb-signing-2018-2025.pem')
        const signed = 'negative/collateral/tcb-info-00606a000000-2022-12-19.json'
        for (const document of documentsIn(isChain ? signed : file)) {
          await verifyIssuer(document, issuers, TCB_INFO, trust)
        }
      }
      if (kind === 'collateral') await check()
      else await evidenceRejection(check)
    })
  }

  test('every document and list of the collection is genuine', async () => {
    for (const name of [...filesIn('collateral/tcbinfo'), ...filesIn('collateral/qeidentity')]) {
      for (const document of documentsIn(name)) {
        await verifyIssuer(document, chain('collateral/chain/tcb-signing-2025-2032.pem'), TCB_INFO, trust)
      }
    }
  })
})

suite("Intel's own samples, under their made-up roots", { skip: skipWithoutShared }, () => {
  const sample = (id: string): { quote: Uint8Array; files: readonly Uint8Array[]; root: string } => {
    const { file, test_pki_collateral: names = {} } = vector(id)
    const root = Buffer.from(vectorFile(names['trustedRootCaCert.pem'] ?? '')).toString()
    return { quote: vectorFile(file), files: Object.values(names).map(vectorFile), root }
  }
  const at = new Date('2023-11-14T22:13:20Z')

  test('SGX: up to date with its PCK certificate from elsewhere, and refused under the real root', async () => {
    const { quote, files, root } = sample('sgx-v3-intel-testpki')
    const own = intelVerifier({ crypto: nodeCrypto, anchors: parseCertificateChain(root) })
    const { tcb } = await own.verifyQuote(quote, collateralFromFiles(files), at)
    assert.equal(tcb.status, 'UpToDate')
    const { check } = await evidenceRejection(() =>
      verifier.verifyQuote(quote, collateralFromFiles(files), at),
    )
    assert.equal(check, 'pck-chain')
  })

  test('TDX: refused', async () => {
    const { quote, files, root } = sample('tdx-v4-intel-testpki')
    const own = intelVerifier({ crypto: nodeCrypto, anchors: parseCertificateChain(root) })
    await evidenceRejection(() => own.verifyQuote(quote, collateralFromFiles(files), at))
    await evidenceRejection(() => own.authenticateQuote(quote, [], at))
  })
})

function filesIn(folder: string): string[] {
  return readdirSync(sharedPath(`golden/vectors/${folder}`)).map((name) => `${folder}/${name}`)
}

async function checkScenario(
  file: string,
  { expected, validation_time, valid_from, valid_until }: Scenario,
  collateral: IntelCollateral,
  form: string,
): Promise<void> {
  const verify = (time: string | number): ReturnType<typeof verifier.verifyQuote> =>
    verifier.verifyQuote(vectorFile(file), collateral, new Date(time))
  if (expected.result === 'reject') {
    await evidenceRejection(() => verify(validation_time))
    return
  }
  if (expected.tcb_status === 'NoMatchingTcbLevel') {
    const error = await evidenceRejection(() => verify(validation_time))
    assert.equal(error.check, 'tcb-level', form)
    return
  }
  const { tcb, checks } = await verify(validation_time)
  assert.equal(tcb.status, expected.tcb_status, form)
  assert.equal(tcb.platform.status, expected.platform_tcb_status)
  assert.equal(tcb.date.getTime(), Date.parse(expected.platform_tcb_date ?? ''))
  assert.equal(tcb.tdxModule?.status ?? null, expected.tdx_module_status)
  assert.equal(tcb.qe.status, expected.qe_tcb_status)
  assert.deepEqual(tcb.advisories, expected.advisory_ids)
  assert.deepEqual(tcb.platform.advisories, expected.platform_advisory_ids)
  assert.deepEqual(tcb.tdxModule?.advisories ?? [], expected.tdx_module_advisory_ids)
  assert.deepEqual(tcb.qe.advisories, expected.qe_advisory_ids)
  assert.equal(expected.pck_cert_revoked, false)
  assert.ok(checks.every(({ outcome }) => outcome === 'passed'))
  await verify(valid_from)
  await verify(valid_until)
  await evidenceRejection(() => verify(Date.parse(valid_from) - 1000))
  await evidenceRejection(() => verify(Date.parse(valid_until) + 1000))
}
