import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { CollateralPolicy } from '@taw/attestation'
import { CollateralUnavailable } from '@taw/collateral'
import { RawCbor, cbor } from '../../tee-kit/src/encoding/cbor.ts'
import type { CborItem } from '../../tee-kit/src/encoding/cbor.ts'
import { level } from '../../../tests/support/tcb-levels.ts'
import { FMSPC, IntelPlatform, pem } from '../../../tests/support/tee-kit-intel.ts'
import { collateralFromParts } from '../../attestation/src/intel/read-collateral.ts'
import { NO_EVIDENCE_COLLATERAL } from '../../attestation/src/evidence/collateral.ts'
import { findEvidence } from '../../attestation/src/evidence/find.ts'
import { createQuoteVerifier } from './index.ts'
import type { QuoteVerifierOptions } from './quote-verifier.ts'

const platform = new IntelPlatform()
const reportData = Buffer.alloc(32, 9)
const quote = platform.sgxQuote({ report: { reportData: Buffer.concat([reportData, Buffer.alloc(32)]) } })
const entry = { sgx: { uniqueId: '11'.repeat(32) } }

/** What the Coordinator gives along: valid in June 2025, the TCB info with these changes. */
function bundle(tcbInfo: Parameters<IntelPlatform['sgxTcbInfo']>[0] = {}): Uint8Array {
  const parts = platform.parts({ tcbInfo: platform.signedTcbInfo(platform.sgxTcbInfo(tcbInfo)) })
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
  const document = (name: string, body: Uint8Array, issuerChain?: Uint8Array) => ({
    name,
    fetchedAt: '2025-06-10T00:00:00Z',
    ...(issuerChain && { issuerChain: text(issuerChain) }),
    body: Buffer.from(body).toString('base64'),
  })
  const documents = [
    document(`intel-tcb-info/SGX/${FMSPC}/standard`, parts.tcbInfo, parts.tcbInfoIssuerChain),
    document('intel-qe-identity/SGX/standard', parts.qeIdentity, parts.qeIdentityIssuerChain),
    document('intel-pck-crl/platform', parts.pckCrl, Buffer.from(pem(platform.ca, platform.root))),
    document('intel-root-ca-crl', parts.rootCaCrl),
  ]
  return Buffer.from(JSON.stringify({ format: 'taw-collateral-bundle', version: 1, documents }))
}

const unavailable = new CollateralUnavailable({
  document: 'intel-root-ca-crl',
  reason: 'unreachable',
  message: 'nobody is there',
  attempts: [],
  since: new Date(),
})
const own = (collateral = platform.parts()): QuoteVerifierOptions['collateral'] => ({
  forEvidence: () => Promise.resolve({ ...NO_EVIDENCE_COLLATERAL, intel: collateralFromParts(collateral) }),
})
const none: QuoteVerifierOptions['collateral'] = { forEvidence: () => Promise.reject(unavailable) }

function verify(
  source: QuoteVerifierOptions['collateral'],
  collateral: Uint8Array | undefined,
  policy: CollateralPolicy = {},
  at = '2025-06-15T00:00:00Z',
): Promise<void> {
  const verifier = createQuoteVerifier({
    collateral: source,
    now: () => new Date(at),
    roots: { intel: platform.anchors },
  })
  return verifier(quote, { reportData, policy: { package: entry, collateral: policy }, collateral })
}

const outdated = { tcbLevels: [level([1], 11, 'OutOfDate')] }

suite('collateral that the Coordinator gives along', () => {
  test('is enough for who has no other', async () => {
    await verify('from-coordinator', bundle())
    await assert.rejects(verify('from-coordinator', undefined), {
      code: 'evidence_invalid',
      message: /root-ca-crl/,
    })
    await assert.rejects(verify('from-coordinator', Buffer.from('{"format":"taw-collateral-bundle"}')), {
      code: 'evidence_invalid',
      message: /the Coordinator's collateral/,
    })
  })

  test('is judged like any other', async () => {
    await assert.rejects(verify('from-coordinator', bundle(outdated)), {
      code: 'policy_mismatch',
      message: /tcb-status/,
    })
    const forged = platform.signedTcbInfo(platform.sgxTcbInfo(), 'pck')
    const text = Buffer.from(bundle()).toString('utf8')
    const altered = text.replace(
      /("name":"intel-tcb-info[^}]*"body":)"[^"]*"/,
      `$1"${Buffer.from(forged).toString('base64')}"`,
    )
    assert.notEqual(altered, text)
    await assert.rejects(verify('from-coordinator', Buffer.from(altered)), {
      code: 'evidence_invalid',
      message: /tcb-info/,
    })
  })

  test('has to be valid now; longer only when the policy says so, and no older than it says', async () => {
    const later = '2025-07-02T00:00:00Z'
    await assert.rejects(verify('from-coordinator', bundle(), {}, later), { code: 'evidence_invalid' })
    await verify('from-coordinator', bundle(), { gracePeriod: 3 * 86_400_000 }, later)
    await assert.rejects(verify('from-coordinator', bundle(), { maximumAge: 86_400_000 }), {
      code: 'policy_mismatch',
      message: /collateral-age/,
    })
    await assert.rejects(verify('from-coordinator', bundle(), { minimumTcbEvaluationDataNumber: 18 }), {
      code: 'policy_mismatch',
      message: /tcb-evaluation-data-number/,
    })
  })

  test('is not looked at where there is one’s own, whatever is in it', async () => {
    await verify(own(), Buffer.from('anything'))
    await verify(own(), undefined)
    const newer = platform.sgxTcbInfo({ ...outdated, tcbEvaluationDataNumber: 18 })
    const collateral = own(platform.parts({ tcbInfo: platform.signedTcbInfo(newer) }))
    await assert.rejects(verify(collateral, bundle()), { message: /tcb-status/ })
    // Nor is a newer one: one's own source says which edition counts.
    await verify(own(), bundle({ ...outdated, tcbEvaluationDataNumber: 18 }))
  })

  test('nor is what lies beside the quote in what wraps it', async () => {
    const parts = platform.parts()
    const signedBy = (document: Uint8Array): Record<string, unknown> & { signature: string } =>
      JSON.parse(Buffer.from(document).toString()) as Record<string, unknown> & { signature: string }
    const { tcbInfo, signature } = signedBy(parts.tcbInfo)
    const { enclaveIdentity, signature: other } = signedBy(parts.qeIdentity)
    // Oasis' form; the lists come from one's own source.
    const text = (value: unknown): string => JSON.stringify(value)
    const wrapped = cbor(
      new Map<string, RawCbor | Uint8Array>([
        ['quote', quote],
        [
          'tcb',
          new RawCbor(
            cbor(
              new Map<string, RawCbor | Uint8Array>([
                [
                  'tcb_info',
                  new RawCbor(
                    cbor(
                      new Map<string, CborItem>([
                        ['tcb_info', Buffer.from(text(tcbInfo))],
                        ['signature', signature],
                      ]),
                    ),
                  ),
                ],
                [
                  'qe_id',
                  new RawCbor(
                    cbor(
                      new Map<string, CborItem>([
                        ['enclave_identity', Buffer.from(text(enclaveIdentity))],
                        ['signature', other],
                      ]),
                    ),
                  ),
                ],
                ['certs', Buffer.from(pem(platform.signer, platform.root))],
              ]),
            ),
          ),
        ],
      ]),
    )
    const { revocationLists } = collateralFromParts(parts)
    const lists: QuoteVerifierOptions['collateral'] = {
      forEvidence: () =>
        Promise.resolve({
          ...NO_EVIDENCE_COLLATERAL,
          intel: { tcbInfos: [], qeIdentities: [], certificates: [], revocationLists },
        }),
    }
    const found = findEvidence(wrapped)
    assert.equal(found?.collateral.intel.tcbInfos.length, 1)
    const verifier = createQuoteVerifier({
      collateral: lists,
      now: () => new Date('2025-06-15T00:00:00Z'),
      roots: { intel: platform.anchors },
    })
    await assert.rejects(verifier(wrapped, { reportData, policy: { package: entry } }), {
      code: 'evidence_invalid',
      message: /check tcb-info/,
    })
  })

  test('does not stand in for one’s own that can’t be had', async () => {
    await assert.rejects(verify(none, bundle()), { code: 'collateral_unavailable' })
  })
})
