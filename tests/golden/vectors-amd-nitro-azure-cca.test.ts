import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { amdCollateralFromFiles, mergeAmdCollateral } from '../../packages/attestation/src/amd/collateral.ts'
import { NO_AMD_COLLATERAL } from '../../packages/attestation/src/amd/collateral.ts'
import { findSnpReport } from '../../packages/attestation/src/amd/containers.ts'
import { hwidMatches, tcbMatches } from '../../packages/attestation/src/amd/endorsement.ts'
import type { SnpEndorsement } from '../../packages/attestation/src/amd/endorsement.ts'
import { snpEndorsementFacts, snpReportFacts } from '../../packages/attestation/src/amd/facts.ts'
import { isReportSignedBy } from '../../packages/attestation/src/amd/report-signature.ts'
import { parseSnpReport } from '../../packages/attestation/src/amd/report.ts'
import { genuineAmdRoots } from '../../packages/attestation/src/amd/roots.ts'
import { amdVerifier } from '../../packages/attestation/src/amd/verify.ts'
import { parseAzureVtpmEvidence } from '../../packages/attestation/src/azure/evidence.ts'
import { azureVtpmFacts } from '../../packages/attestation/src/azure/facts.ts'
import { parseHclReport } from '../../packages/attestation/src/azure/hcl-report.ts'
import { azureVtpmVerifier } from '../../packages/attestation/src/azure/verify.ts'
import { ccaFacts } from '../../packages/attestation/src/cca/facts.ts'
import { platformKeysFromJwk } from '../../packages/attestation/src/cca/keys.ts'
import { parseCcaToken } from '../../packages/attestation/src/cca/token.ts'
import { verifyCcaToken } from '../../packages/attestation/src/cca/verify.ts'
import { isSignedBy } from '../../packages/attestation/src/core/chain.ts'
import { decodePem, fromHex, toHex } from '../../packages/attestation/src/core/encoding.ts'
import { EvidenceInvalid } from '../../packages/attestation/src/core/errors.ts'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import { webCrypto } from '../../packages/attestation/src/core/web.ts'
import { parseCertificate } from '../../packages/attestation/src/core/x509.ts'
import { NO_COLLATERAL } from '../../packages/attestation/src/intel/collateral.ts'
import { collateralFromFiles } from '../../packages/attestation/src/intel/collateral-files.ts'
import { intelVerifier } from '../../packages/attestation/src/intel/verify.ts'
import { findNitroDocument } from '../../packages/attestation/src/nitro/containers.ts'
import { parseNitroDocument } from '../../packages/attestation/src/nitro/document.ts'
import { nitroFacts } from '../../packages/attestation/src/nitro/facts.ts'
import { genuineNitroRoots } from '../../packages/attestation/src/nitro/root.ts'
import { nitroVerifier } from '../../packages/attestation/src/nitro/verify.ts'
import { readShared, sharedPath, skipWithoutShared } from '../support/shared.ts'

type Fields = Record<string, unknown>

interface SigningCertificate {
  file: string
  sha256: string
  type: string
  issuer_cn: string
  subject_cn: string
  product: string
  not_before: string
  not_after: string
  extensions: Fields
  verifies_report_signature: boolean
  cert_signed_by_intermediate: boolean
  hwid_matches_chip_id: boolean | null
  tcb_extensions_match_reported_tcb: boolean
}

interface Vector {
  id: string
  kind: string
  file: string
  sha256: string
  facts: Fields
  expected: Fields
  signing_certs?: SigningCertificate[]
  scenarios?: { validation_time: string; collateral: Record<string, string>; expected: Fields }[]
  platform_public_key_jwk?: Fields
  parts?: Record<string, string>
}

interface Mutations {
  base: string
  base_file: string
  certificate?: string
  validation_time?: string
  mutations: { name: string; ops: Operation[]; expected: { accept: boolean | 'policy'; reason: string } }[]
}

interface Operation {
  op: string
  offset?: number
  mask?: string
  hex?: string
  length?: number
  count?: number
}

interface Index {
  vectors: Vector[]
  collateral: { file: string; type: string; issuer: string }[]
}

const FOLDER = 'golden/vectors'
const vectorFile = (file: string): Uint8Array => new Uint8Array(readFileSync(sharedPath(`${FOLDER}/${file}`)))
const index =
  skipWithoutShared === false
    ? (readShared(`${FOLDER}/index.json`) as Index)
    : { vectors: [], collateral: [] }
const mutations =
  skipWithoutShared === false
    ? (readShared(`${FOLDER}/mutations.json`) as { snp: Mutations[]; nitro: Mutations[] })
    : { snp: [], nitro: [] }
const ofKind = (kind: string): Vector[] => index.vectors.filter((vector) => vector.kind === kind)

const amd = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
const nitro = nitroVerifier({ crypto: nodeCrypto })
const intel = intelVerifier({ crypto: nodeCrypto })
const azure = azureVtpmVerifier({ crypto: nodeCrypto, amd, intel })

const refused = (check?: string) => (error: unknown) => {
  assert.ok(error instanceof EvidenceInvalid, String(error))
  if (check !== undefined) assert.equal(error.check, check)
  assert.equal(error.checks.at(-1)?.outcome, 'failed')
  return true
}

function mutated(base: Uint8Array, operations: readonly Operation[]): Uint8Array {
  let bytes = Uint8Array.from(base)
  for (const { op, offset = 0, mask = '', hex = '', length, count = 0 } of operations) {
    if (op === 'xor')
      fromHex(mask).forEach((bits, at) => (bytes[offset + at] = (bytes[offset + at] ?? 0) ^ bits))
    else if (op === 'set') bytes.set(fromHex(hex), offset)
    else if (op === 'truncate') bytes = bytes.slice(0, length)
    else if (op === 'append') bytes = Uint8Array.from([...bytes, ...fromHex(hex)])
    else if (op === 'append_zeros') bytes = Uint8Array.from([...bytes, ...new Uint8Array(count)])
    else assert.fail(`unknown operation ${op}`)
  }
  return bytes
}

function endorsementIn(file: string): SnpEndorsement {
  const [endorsement] = amdCollateralFromFiles([vectorFile(file)]).endorsements
  assert.ok(endorsement)
  return endorsement
}

/** Leaves out what JSON can't tell from absence. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

test('the vectors are there', { skip: skipWithoutShared }, () => {
  assert.equal(ofKind('snp-report').length, 22)
  assert.equal(ofKind('nitro-attestation').length, 14)
  assert.equal(ofKind('negative-trust-anchor').length, 2)
  assert.equal(ofKind('az-snp-vtpm').length, 4)
  assert.equal(ofKind('az-tdx-vtpm').length, 1)
  assert.equal(ofKind('arm-cca-token').length, 2)
})

describe('anchors', { skip: skipWithoutShared }, () => {
  test('the built-in certificates are those in roots/', () => {
    const der = (name: string): string =>
      toHex(
        decodePem(new TextDecoder().decode(vectorFile(`roots/${name}.pem`)))[0]?.bytes ?? new Uint8Array(0),
      )
    for (const { product, ark, intermediates } of genuineAmdRoots()) {
      const line = product.toLowerCase()
      assert.equal(toHex(ark.raw), der(`amd-ark-${line}`))
      assert.deepEqual(
        intermediates.map(({ raw }) => toHex(raw)),
        [der(`amd-ask-${line}`), der(`amd-asvk-${line}`)],
      )
    }
    assert.deepEqual(
      genuineNitroRoots().map(({ raw }) => toHex(raw)),
      [der('aws-nitro-root-g1')],
    )
  })

  for (const vector of ofKind('negative-trust-anchor')) {
    test(`no document verifies under ${vector.id}`, async () => {
      const [block] = decodePem(new TextDecoder().decode(vectorFile(vector.file)))
      assert.ok(block)
      // The tampered root is no certificate any more; it can't become an anchor.
      if (vector.id === 'nitro-fortanix-tampered-root') {
        assert.throws(() => parseCertificate(block.bytes), EvidenceInvalid)
        return
      }
      const anchors = [parseCertificate(block.bytes)]
      const verifier = nitroVerifier({ crypto: nodeCrypto, anchors })
      for (const { file, expected } of ofKind('nitro-attestation')) {
        const at = new Date(String(expected['validation_time']))
        await assert.rejects(verifier.verifyDocument(vectorFile(file), at), refused('certificate-chain'))
      }
    })
  }
})

describe('SEV-SNP reports', { skip: skipWithoutShared }, () => {
  for (const vector of ofKind('snp-report')) {
    const report = vectorFile(vector.file)
    const certificates = vector.signing_certs ?? []

    test(`${vector.id}: facts`, () => {
      assert.deepEqual(plain(snpReportFacts(parseSnpReport(report))), vector.facts)
    })

    test(`${vector.id}: checks of each certificate`, async () => {
      const facts = parseSnpReport(report)
      for (const one of certificates) {
        const endorsement = endorsementIn(one.file)
        requireCertificateFacts(endorsement, one)
        const root = genuineAmdRoots().find(({ product }) => product.toLowerCase() === one.product)
        assert.ok(root)
        const issuer = root.intermediates.find(({ subjectCommonName }) => subjectCommonName === one.issuer_cn)
        const isIssued =
          issuer !== undefined && (await isSignedBy(nodeCrypto, endorsement.certificate, issuer))
        assert.equal(isIssued, one.cert_signed_by_intermediate)
        assert.equal(await isReportSignedBy(nodeCrypto, report, endorsement), one.verifies_report_signature)
        assert.equal(tcbMatches(endorsement, facts.reportedTcb), one.tcb_extensions_match_reported_tcb)
        const isSameChip = endorsement.type === 'VLEK' ? null : hwidMatches(endorsement, facts.chipId)
        assert.equal(isSameChip, one.hwid_matches_chip_id)
      }
    })

    test(`${vector.id}: verdict`, async () => {
      const times = certificates.flatMap(({ not_before, not_after }) => [
        new Date(not_before),
        new Date(not_after),
      ])
      const isValid = vector.expected['cryptographically_valid'] === true
      if (!isValid) {
        const collateral = amdCollateralFromFiles(certificates.map(({ file }) => vectorFile(file)))
        const at = times[0] ?? new Date('2025-01-01T00:00:00Z')
        await assert.rejects(amd.verifyReport(report, collateral, at), refused())
        return
      }
      for (const { file, not_before, not_after } of certificates) {
        const collateral = amdCollateralFromFiles([vectorFile(file)])
        for (const at of [not_before, not_after].map((text) => new Date(text))) {
          const claims = await amd.verifyReport(report, collateral, at)
          assert.deepEqual(plain(snpReportFacts(claims.report)), vector.facts)
          assert.equal(claims.report.policy.debug, vector.expected['debug_policy'])
        }
        const second = 1000
        for (const at of [
          new Date(Date.parse(not_before) - second),
          new Date(Date.parse(not_after) + second),
        ]) {
          await assert.rejects(amd.verifyReport(report, collateral, at), refused('endorsement-chain'))
        }
      }
    })
  }

  test('each valid report verifies with the certificates of all reports in one folder', async () => {
    const all = ofKind('snp-report').flatMap(({ signing_certs = [] }) => signing_certs)
    const files = [...new Set(all.map(({ file }) => file))].map(vectorFile)
    const crls = index.collateral.filter(({ type }) => type === 'amd-crl').map(({ file }) => vectorFile(file))
    const collateral = amdCollateralFromFiles(files)
    assert.equal(crls.length, 2)
    for (const vector of ofKind('snp-report').filter(
      ({ expected }) => expected['cryptographically_valid'] === true,
    )) {
      const [certificate] = vector.signing_certs ?? []
      const at = new Date(certificate?.not_after ?? '')
      await amd.verifyReport(vectorFile(vector.file), collateral, at)
      const claims = await amdVerifier({ crypto: webCrypto, revocation: 'if-given' }).verifyReport(
        vectorFile(vector.file),
        collateral,
        at,
      )
      assert.equal(claims.product.toLowerCase(), certificate?.product)
    }
  })

  for (const { base, base_file, certificate = '', mutations: list } of mutations.snp) {
    const collateral = (): ReturnType<typeof amdCollateralFromFiles> =>
      amdCollateralFromFiles([vectorFile(certificate)])
    const at = new Date('2027-01-01T00:00:00Z')
    for (const { name, ops, expected } of list) {
      test(`${base}, mutation ${name}: ${expected.reason}`, async () => {
        await amd.verifyReport(vectorFile(base_file), collateral(), at)
        // The two policy choices: bytes that nothing signs are refused.
        await assert.rejects(
          amd.verifyReport(mutated(vectorFile(base_file), ops), collateral(), at),
          refused(),
        )
      })
    }
  }
})

function requireCertificateFacts(endorsement: SnpEndorsement, expected: SigningCertificate): void {
  const facts = snpEndorsementFacts(endorsement)
  const { extensions } = expected
  assert.equal(createHash('sha256').update(endorsement.certificate.raw).digest('hex'), expected.sha256)
  assert.equal(facts.type, expected.type)
  assert.equal(facts.subject_cn, expected.subject_cn)
  assert.equal(facts.issuer_cn, expected.issuer_cn)
  assert.equal(Date.parse(facts.not_before), Date.parse(expected.not_before))
  assert.equal(Date.parse(facts.not_after), Date.parse(expected.not_after))
  assert.equal(facts.product_name, extensions['product_name'])
  assert.equal(facts.struct_version, extensions['struct_version'])
  assert.deepEqual(
    [facts.tcb.fmc, facts.tcb.bootloader, facts.tcb.tee, facts.tcb.snp, facts.tcb.microcode],
    ['fmc_spl', 'bl_spl', 'tee_spl', 'snp_spl', 'ucode_spl'].map((name) => extensions[name]),
  )
  const { hwid } = extensions
  // One certificate has its HWID in an OCTET STRING of DER.
  assert.equal(facts.hwid, typeof hwid === 'string' ? hwid.replace(/^0440(?=.{128}$)/, '') : null)
  assert.equal(facts.csp_id, extensions['csp_id'] ?? null)
}

describe('revocation lists of AMD', { skip: skipWithoutShared }, () => {
  const vlek = (): Vector =>
    ofKind('snp-report').find(({ id }) => id === 'snp-v3-milan-vlek-aws') ?? assert.fail()
  const genoa = (): Vector =>
    ofKind('snp-report').find(({ id }) => id === 'snp-v3-genoa-veraison') ?? assert.fail()
  const milanCrl = 'collateral/amd-crl/milan-2025-05-06.der'
  const genoaCrl = 'collateral/amd-crl/genoa-2024-10-23.der'
  const strict = amdVerifier({ crypto: nodeCrypto, revocation: 'required' })
  const verify = (vector: Vector, crls: readonly Uint8Array[], at: string) => {
    const files = (vector.signing_certs ?? []).map(({ file }) => vectorFile(file))
    return strict.verifyReport(
      vectorFile(vector.file),
      amdCollateralFromFiles([...files, ...crls]),
      new Date(at),
    )
  }

  test('genuine lists vouch for the current ASK and ASVK', async () => {
    const claims = await verify(vlek(), [vectorFile(milanCrl), vectorFile(genoaCrl)], '2025-06-01T00:00:00Z')
    assert.equal(claims.checks.find(({ name }) => name === 'amd-crl')?.outcome, 'passed')
    // Genoa's list names an older ASK.
    await verify(genoa(), [vectorFile(genoaCrl)], '2025-06-01T00:00:00Z')
  })

  test('a list that is missing, of another product, not current or altered is refused', async () => {
    const altered = Uint8Array.from(vectorFile(milanCrl))
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1
    await assert.rejects(verify(vlek(), [], '2025-06-01T00:00:00Z'), refused('amd-crl'))
    await assert.rejects(verify(vlek(), [vectorFile(genoaCrl)], '2025-06-01T00:00:00Z'), refused('amd-crl'))
    await assert.rejects(verify(vlek(), [vectorFile(milanCrl)], '2025-05-01T00:00:00Z'), refused('amd-crl'))
    await assert.rejects(verify(genoa(), [vectorFile(genoaCrl)], '2025-11-03T01:00:01Z'), refused('amd-crl'))
    await assert.rejects(verify(vlek(), [altered], '2025-06-01T00:00:00Z'), refused('amd-crl'))
    assert.throws(() => amdCollateralFromFiles([new Uint8Array(0)]), refused('collateral-format'))
  })
})

describe('certificate table', { skip: skipWithoutShared }, () => {
  test('of a configfs-tsm report: PEM entries, GUIDs in text order', async () => {
    const found = findSnpReport(vectorFile('wrappers/veraison-sevsnp-tsm-report.json'))
    assert.ok(found?.certificateTable)
    const collateral = amdCollateralFromFiles([found.certificateTable])
    assert.equal(collateral.endorsements.length, 1)
    assert.equal(collateral.intermediates.length, 2)
    const { report } = found
    const claims = await amd.verifyReport(report, collateral, new Date('2025-06-01T00:00:00Z'))
    assert.equal(claims.product, 'Genoa')
  })
})

describe('Nitro documents', { skip: skipWithoutShared }, () => {
  for (const vector of ofKind('nitro-attestation')) {
    const { expected, facts } = vector
    const document = vectorFile(vector.file)
    const at = new Date(String(expected['validation_time']))

    test(`${vector.id}: facts`, () => {
      const message = parseNitroDocument(document)
      const { timestamp, chain_len, ...own } = nitroFacts(message)
      for (const [name, value] of Object.entries(own)) {
        // The index has no signature length where the certificates can't be read.
        if (name !== 'sig_len' || facts[name] !== undefined) assert.deepEqual(plain(value), facts[name], name)
      }
      assert.equal(Date.parse(timestamp), Date.parse(String(facts['timestamp'])))
      if (facts['chain_len'] !== undefined) assert.equal(chain_len, facts['chain_len'])
    })

    test(`${vector.id}: verdict`, async () => {
      if (expected['cryptographically_valid_under_aws_root'] !== true) {
        const check = expected['cose_signature'] === false ? 'document-signature' : 'certificate-chain'
        await assert.rejects(nitro.verifyDocument(document, at), refused(check))
        return
      }
      const from = new Date(String(expected['valid_from']))
      const until = new Date(String(expected['valid_until']))
      for (const time of [at, from, until]) {
        const claims = await nitro.verifyDocument(document, time)
        assert.equal(claims.debug, expected['debug_mode'])
        assert.deepEqual(plain(claims.pcrs), facts['pcrs'])
        assert.equal(claims.validUntil.getTime(), until.getTime())
      }
      for (const time of [new Date(from.getTime() - 1000), new Date(until.getTime() + 1000)]) {
        await assert.rejects(nitro.verifyDocument(document, time), refused('certificate-chain'))
      }
      await nitroVerifier({ crypto: webCrypto }).verifyDocument(document, at)
    })
  }

  for (const { base, base_file, validation_time = '', mutations: list } of mutations.nitro) {
    for (const { name, ops, expected } of list) {
      test(`${base}, mutation ${name}: ${expected.reason}`, async () => {
        const at = new Date(validation_time)
        await nitro.verifyDocument(vectorFile(base_file), at)
        // The policy choice: a byte after the document is refused.
        await assert.rejects(nitro.verifyDocument(mutated(vectorFile(base_file), ops), at), refused())
      })
    }
  }

  test('a document in a TLS certificate is found, and is genuine', async () => {
    const document = findNitroDocument(vectorFile('wrappers/evervault-cert-with-nitro-doc.der'))
    assert.ok(document)
    const at = new Date(parseNitroDocument(document).document.timestamp)
    const claims = await nitro.verifyDocument(document, at)
    assert.equal(at.toISOString().slice(0, 10), '2023-01-18')
    assert.equal(claims.debug, false)
  })

  test('a document with tag 18 is the same document', async () => {
    const [vector] = ofKind('nitro-attestation')
    assert.ok(vector)
    const tagged = Uint8Array.from([0xd2, ...vectorFile(vector.file)])
    const claims = await nitro.verifyDocument(tagged, new Date(String(vector.expected['validation_time'])))
    assert.equal(claims.moduleId, vector.facts['module_id'])
  })
})

describe('Azure vTPM evidence', { skip: skipWithoutShared }, () => {
  for (const vector of [...ofKind('az-snp-vtpm'), ...ofKind('az-tdx-vtpm')]) {
    const evidence = parseAzureVtpmEvidence(vectorFile(vector.file))
    const [scenario] = vector.scenarios ?? []
    const files = Object.values(scenario?.collateral ?? {}).map(vectorFile)
    const collateral = () => ({
      amd: NO_AMD_COLLATERAL,
      intel: scenario ? collateralFromFiles(files) : NO_COLLATERAL,
    })
    const at = new Date(scenario?.validation_time ?? '2025-06-01T00:00:00Z')

    test(`${vector.id}: parts and facts`, () => {
      const parts = vector.parts ?? {}
      assert.deepEqual(toHex(evidence.hclReport), toHex(vectorFile(parts['hcl_report'] ?? '')))
      assert.deepEqual(toHex(evidence.tpmQuote.message), toHex(vectorFile(parts['tpm_quote_message'] ?? '')))
      assert.deepEqual(
        toHex(evidence.tpmQuote.signature),
        toHex(vectorFile(parts['tpm_quote_signature'] ?? '')),
      )
      requireAzureFacts(vector, azureVtpmFacts(evidence))
      if (parts['snp_report']) {
        const { hardwareReport } = parseHclReport(evidence.hclReport)
        assert.equal(toHex(hardwareReport), toHex(vectorFile(parts['snp_report'])))
        assert.deepEqual(plain(snpReportFacts(parseSnpReport(hardwareReport))), vector.facts['snp_report'])
        const [endorsement] = evidence.vcek ? amdCollateralFromFiles([evidence.vcek]).endorsements : []
        assert.equal(
          toHex(endorsement?.certificate.raw ?? new Uint8Array(0)),
          toHex(vectorFile(parts['vcek'] ?? '')),
        )
      }
      if (parts['td_quote'])
        assert.equal(toHex(evidence.tdQuote ?? new Uint8Array(0)), toHex(vectorFile(parts['td_quote'])))
    })

    test(`${vector.id}: verdict`, async () => {
      const claims = await azure.verifyEvidence(evidence, collateral(), at)
      assert.equal(claims.nonce, vector.expected['nonce_hex'])
      assert.deepEqual(plain(claims.pcrs), vector.facts['pcrs'])
      const reportData =
        claims.hardware.kind === 'snp-report'
          ? claims.hardware.report.reportData
          : toHex(claims.hardware.quote.body.reportData)
      assert.equal(reportData, vector.expected['hw_report_data'])
      if (claims.hardware.kind === 'tdx-quote') {
        assert.equal(claims.hardware.tcb.status, scenario?.expected['tcb_status'])
      }
      const web = azureVtpmVerifier({
        crypto: webCrypto,
        amd: amdVerifier({ crypto: webCrypto, revocation: 'if-given' }),
        intel: intelVerifier({ crypto: webCrypto }),
      })
      await web.verifyEvidence(evidence, collateral(), at)
    })

    test(`${vector.id}: what is altered is refused`, async () => {
      const { hclReport, tpmQuote } = evidence
      const { message, signature, pcrs } = tpmQuote
      const flipped = (bytes: Uint8Array, offset: number): Uint8Array =>
        bytes.map((byte, place) => (place === offset ? byte ^ 1 : byte))
      // The last byte of the quoted digest; a byte of the runtime data's user data.
      const altered = [
        ['tpm-quote-signature', { tpmQuote: { ...tpmQuote, message: flipped(message, message.length - 1) } }],
        ['tpm-quote-signature', { tpmQuote: { ...tpmQuote, signature: flipped(signature, 0) } }],
        [
          'pcr-digest',
          {
            tpmQuote: { ...tpmQuote, pcrs: pcrs.map((pcr, place) => (place === 7 ? flipped(pcr, 0) : pcr)) },
          },
        ],
        ['pcr-digest', { tpmQuote: { ...tpmQuote, pcrs: pcrs.slice(1) } }],
        ['runtime-data-binding', { hclReport: flipped(hclReport, 32 + 1184 + 20 + 40) }],
        ...(vector.kind === 'az-snp-vtpm'
          ? ([['report-signature', { hclReport: flipped(hclReport, 32 + 0x50) }]] as const)
          : []),
      ] as const
      for (const [check, change] of altered) {
        await assert.rejects(
          azure.verifyEvidence({ ...evidence, ...change }, collateral(), at),
          refused(check),
        )
      }
    })
  }
})

function requireAzureFacts(vector: Vector, facts: ReturnType<typeof azureVtpmFacts>): void {
  const hcl = vector.facts['hcl'] as Fields
  const expectedQuote = vector.facts['tpm_quote'] as Fields
  const hashNames: Record<string, number> = { 'SHA-256': 1 }
  for (const name of [
    'version',
    'report_size',
    'request_type',
    'report_type',
    'var_data_size',
    'user_data',
    'key_ids',
  ] as const) {
    assert.deepEqual(facts.hcl[name], hcl[name], name)
  }
  assert.deepEqual(plain(facts.hcl.vm_config), hcl['vm_config'])
  assert.equal(hashNames[facts.hcl.hash_type], hcl['hash_type'])
  assert.equal(facts.tpm_quote.nonce, expectedQuote['nonce'])
  assert.equal(facts.tpm_quote.firmware, expectedQuote['firmware'])
  assert.equal(facts.tpm_quote.pcr_digest, expectedQuote['pcr_digest'])
  assert.deepEqual([['0xb', facts.tpm_quote.pcr_select]], expectedQuote['pcr_select'])
  assert.equal(facts.tpm_quote.pcr_bank, 'SHA-256')
  assert.deepEqual(facts.pcrs, Object.values(vector.facts['pcrs'] as Fields))
}

describe('Arm CCA tokens', { skip: skipWithoutShared }, () => {
  for (const vector of ofKind('arm-cca-token')) {
    const token = vectorFile(vector.file)
    const platformKeys = platformKeysFromJwk(JSON.stringify(vector.platform_public_key_jwk))

    test(`${vector.id}: facts`, () => {
      const { platform, realm } = ccaFacts(parseCcaToken(token))
      const expectedPlatform = vector.facts['platform_claims'] as Fields
      const expectedRealm = vector.facts['realm_claims'] as Fields
      const labels = {
        profile: 265,
        challenge: 10,
        implementation_id: 2396,
        instance_id: 256,
        config: 2401,
      } as const
      for (const [name, label] of Object.entries({
        ...labels,
        lifecycle: 2395,
        verification_service: 2400,
        hash_algorithm: 2402,
      })) {
        assert.equal(
          Object.entries(platform).find(([own]) => own === name)?.[1],
          expectedPlatform[label],
          name,
        )
      }
      assert.deepEqual(
        platform.software_components.map(({ type, measurement, version, signer_id, hash_algorithm }) =>
          plain({
            1: type,
            2: measurement,
            4: version ?? undefined,
            5: signer_id,
            6: hash_algorithm ?? undefined,
          }),
        ),
        expectedPlatform['2399'],
      )
      assert.deepEqual(
        plain({
          265: realm.profile ?? undefined,
          10: realm.challenge,
          44235: realm.personalization_value,
          44238: realm.initial_measurement,
          44239: realm.extensible_measurements,
          44236: realm.hash_algorithm,
          44237: realm.public_key,
          44240: realm.public_key_hash_algorithm,
        }),
        expectedRealm,
      )
    })

    test(`${vector.id}: verdict`, async () => {
      const claims = await verifyCcaToken(token, { crypto: nodeCrypto, platformKeys })
      assert.equal(claims.lifecycleState, 'secured')
      await verifyCcaToken(token, { crypto: webCrypto, platformKeys })
      const others = index.vectors.filter(({ kind, id }) => kind === 'arm-cca-token' && id !== vector.id)
      const otherKeys = others.flatMap((one) =>
        platformKeysFromJwk(JSON.stringify(one.platform_public_key_jwk)),
      )
      const check = refused('platform-signature')
      await assert.rejects(verifyCcaToken(token, { crypto: nodeCrypto, platformKeys: otherKeys }), check)
    })
  }
})

test('collateral merges in any order', { skip: skipWithoutShared }, async () => {
  const [vector] = ofKind('snp-report')
  assert.ok(vector)
  const file = vector.signing_certs?.[0]?.file ?? ''
  const collateral = mergeAmdCollateral(NO_AMD_COLLATERAL, amdCollateralFromFiles([vectorFile(file)]))
  await amd.verifyReport(vectorFile(vector.file), collateral, new Date('2025-01-01T00:00:00Z'))
})
