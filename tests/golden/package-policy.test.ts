/** Packages and infrastructures, made from what genuine evidence of each kind says, compared with that evidence. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { toBase64, toHex } from '../../packages/attestation/src/core/encoding.ts'
import { nodeCrypto } from '../../packages/attestation/src/core/node.ts'
import {
  EvidenceInvalid,
  NO_AMD_COLLATERAL,
  PolicyMismatch,
  TCB_STATUSES,
  amdCollateralFromFiles,
  amdVerifier,
  appraiseInfrastructures,
  appraisePackage,
  azureVtpmVerifier,
  collateralFromFiles,
  collateralFromParts,
  intelVerifier,
  nitroVerifier,
  parseAzureVtpmEvidence,
  readInfrastructurePolicy,
  readPackagePolicy,
  type VerifiedClaims,
} from '../../packages/attestation/src/index.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'
import { partFiles, vectorFile, type CollateralFiles } from './intel-vectors.ts'

interface Vector {
  readonly id: string
  readonly kind: string
  readonly file: string
  readonly expected?: Readonly<Record<string, unknown>>
  readonly signing_certs?: readonly { readonly file: string; readonly not_after: string }[]
  readonly scenarios?: readonly {
    readonly validation_time: string
    readonly collateral?: CollateralFiles
    readonly expected: Readonly<Record<string, unknown>>
  }[]
}

const vectors: readonly Vector[] =
  skipWithoutShared === false
    ? (readShared('golden/vectors/index.json') as { vectors: Vector[] }).vectors
    : []

const intel = intelVerifier({ crypto: nodeCrypto })
const amd = amdVerifier({ crypto: nodeCrypto, revocation: 'if-given' })
const nitro = nitroVerifier({ crypto: nodeCrypto })
const azure = azureVtpmVerifier({ crypto: nodeCrypto, amd, intel })

/** Undefined for evidence that is not genuine, or has no collateral here. */
async function verify({
  kind,
  file,
  expected,
  signing_certs,
  scenarios,
}: Vector): Promise<VerifiedClaims | undefined> {
  const evidence = vectorFile(file)
  const [scenario] = scenarios ?? []
  switch (kind) {
    case 'sgx-quote':
    case 'tdx-quote': {
      if (!scenario?.collateral || scenario.expected['result'] !== undefined) return undefined
      return intel.verifyQuote(
        evidence,
        collateralFromParts(partFiles(scenario.collateral)),
        new Date(scenario.validation_time),
      )
    }
    case 'snp-report': {
      if (expected?.['cryptographically_valid'] !== true) return undefined
      const files = (signing_certs ?? []).map((certificate) => vectorFile(certificate.file))
      return amd.verifyReport(
        evidence,
        amdCollateralFromFiles(files),
        new Date(signing_certs?.[0]?.not_after ?? ''),
      )
    }
    case 'nitro-attestation':
      if (expected?.['cryptographically_valid_under_aws_root'] !== true) return undefined
      return nitro.verifyDocument(evidence, new Date(String(expected['validation_time'])))
    case 'az-snp-vtpm':
    case 'az-tdx-vtpm': {
      const files = Object.values(scenario?.collateral ?? {}).map((name) => vectorFile(String(name)))
      return azure.verifyEvidence(
        parseAzureVtpmEvidence(evidence),
        { amd: NO_AMD_COLLATERAL, intel: collateralFromFiles(files) },
        new Date(scenario?.validation_time ?? '2025-06-01T00:00:00Z'),
      )
    }
    default:
      return undefined
  }
}

type Json = Readonly<Record<string, unknown>>

/** A package that says all that this evidence shows, of any status. */
function packageFor(claims: VerifiedClaims): Json {
  switch (claims.kind) {
    case 'sgx-quote': {
      const { body } = claims.quote
      return {
        UniqueID: toHex(body.mrEnclave),
        Debug: body.debug,
        AcceptedTCBStatuses: TCB_STATUSES.filter((name) => !name.startsWith('TD')),
      }
    }
    case 'tdx-quote': {
      const { body } = claims.quote
      return {
        TDX: {
          MRTD: toHex(body.mrTd),
          ...Object.fromEntries(body.rtmrs.map((rtmr, index) => [`RTMR${index}`, toHex(rtmr)])),
          MRSeam: toHex(body.mrSeam),
          TDAttributes: toHex(body.tdAttributes),
          XFAM: [toHex(body.xfam)],
          // Too short to be spoilt below: it is a minimum, so a lower one is satisfied too.
          MinimumTEETCBSVN: toHex(body.teeTcbSvn.subarray(0, 4)),
          SeptVEDisable: body.septVeDisable,
          Debug: body.debug,
          AcceptedTCBStatuses: TCB_STATUSES,
        },
      }
    }
    case 'snp-report': {
      const { report } = claims
      return {
        SNP: {
          Measurement: report.measurement,
          HostData: report.hostData,
          IDKeyDigest: report.idKeyDigest,
          FamilyID: report.familyId,
          ImageID: report.imageId,
          ChipID: report.chipId,
          MinimumGuestSVN: report.guestSvn,
          VMPL: report.vmpl,
          Products: claims.product,
          SigningKeys: claims.signingKey,
          MinimumTCB: { SNP: report.reportedTcb.snp, Microcode: report.reportedTcb.microcode },
          MinimumFirmware: report.currentVersion,
          Policy: { SMT: report.policy.smt, MigrateMA: report.policy.migrateMa },
          Debug: report.policy.debug,
        },
      }
    }
    case 'nitro-document':
      return { Nitro: { PCRs: claims.pcrs, ModuleID: claims.moduleId, Debug: claims.debug } }
    case 'azure-vtpm': {
      const hardware = Object(Object.values(packageFor(claims.hardware))[0]) as Json
      return {
        AzureVTPM: {
          PCRs: { 4: claims.pcrs['4'], 7: claims.pcrs['7'], 11: claims.pcrs['11'] },
          VMConfiguration: { 'secure-boot': claims.vmConfiguration['secure-boot'] },
          // Without VMPL: reports on Azure come from the level that is expected there.
          [claims.hardware.kind === 'snp-report' ? 'SNP' : 'TDX']: { ...hardware, VMPL: undefined },
        },
      }
    }
    case 'cca-token':
      return {}
  }
}

function infrastructureFor(claims: Exclude<VerifiedClaims, { kind: 'azure-vtpm' | 'cca-token' }>): Json {
  const RootCA = toBase64(claims.rootCa)
  switch (claims.kind) {
    case 'snp-report':
      return { SNP: { RootCA, Products: claims.product } }
    case 'nitro-document':
      return { Nitro: { RootCA, PCRs: { 4: claims.pcrs['4'] } } }
    case 'sgx-quote':
    case 'tdx-quote':
      return { RootCA, CPUSVN: toBase64(claims.platform.cpuSvn), PCESVN: claims.platform.pceSvn }
  }
}

const refused = (check?: string) => (error: unknown) =>
  error instanceof PolicyMismatch && (check === undefined || error.check === check)

/** The same, with the last digit of each hex value in turn changed. */
function* spoilt(value: unknown): Generator {
  if (typeof value === 'string' && /^[0-9a-f]{16,}$/.test(value)) {
    yield value.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      for (const other of spoilt(item)) yield value.with(index, other)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      for (const other of spoilt(member)) yield { ...value, [name]: other }
    }
  }
}

suite('packages and genuine evidence', { skip: skipWithoutShared }, async () => {
  const seen = new Map<string, number>()
  for (const vector of vectors) {
    const claims = await verify(vector).catch((error: unknown) => {
      if (error instanceof EvidenceInvalid) return undefined
      throw error
    })
    if (!claims) continue
    seen.set(claims.kind, (seen.get(claims.kind) ?? 0) + 1)

    test(`${vector.id}: a package that says what the evidence shows accepts it, and no other does`, () => {
      const entry = packageFor(claims)
      const { policy, problems } = readPackagePolicy(entry)
      assert.deepEqual(problems, [])
      appraisePackage(claims, policy)
      for (const other of spoilt(entry)) {
        const reading = readPackagePolicy(other)
        assert.deepEqual(reading.problems, [])
        assert.throws(() => appraisePackage(claims, reading.policy), refused())
      }
      for (const [kind, other] of Object.entries({
        tdx: { TDX: { MRTD: 'a1'.repeat(48) } },
        nitro: { Nitro: { PCRs: { 0: 'a1'.repeat(48) } } },
      })) {
        const isSame = claims.kind.startsWith(kind)
        assert.throws(
          () => appraisePackage(claims, readPackagePolicy(other).policy),
          refused(isSame ? undefined : 'evidence-kind'),
        )
      }
    })

    test(`${vector.id}: so does an infrastructure`, () => {
      const hardware = claims.kind === 'azure-vtpm' ? claims.hardware : claims
      if (hardware.kind === 'cca-token') return
      const entry = infrastructureFor(hardware)
      const satisfied = (document: unknown) =>
        appraiseInfrastructures(claims, new Map([['here', readInfrastructurePolicy(document).policy]]))
      assert.equal(satisfied(entry).at(-1)?.found, 'here')
      const vendor = hardware.kind === 'snp-report' ? { Nitro: {} } : { SNP: {} }
      assert.throws(() => satisfied(vendor), refused('infrastructure'))
    })
  }

  test('there was evidence of each kind', () => {
    for (const [kind, count] of Object.entries({
      'sgx-quote': 5,
      'tdx-quote': 5,
      'snp-report': 15,
      'nitro-document': 9,
      'azure-vtpm': 5,
    })) {
      assert.ok((seen.get(kind) ?? 0) >= count, `${kind}: ${seen.get(kind) ?? 0}`)
    }
  })
})
