import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { AzureVtpmEvidence } from '../../packages/attestation/src/azure/evidence.ts'
import { concatBytes } from '../../packages/attestation/src/core/bytes.ts'
import { toUtf8 } from '../../packages/attestation/src/core/encoding.ts'
import { REPORT_TYPE, hclReport } from '../../packages/tee-kit/src/azure/hcl-report.ts'
import { quoteMessage, rsaSignature } from '../../packages/tee-kit/src/encoding/tpm.ts'
import { makeSnpReport } from './tee-kit-amd-nitro.ts'
import type { TestChip, TestEndorsement, TestReportFields } from './tee-kit-amd-nitro.ts'
import type { AmdProduct } from '../../packages/attestation/src/amd/tcb.ts'

// A confidential VM on Azure for tests: its paravisor's report, and its vTPM.

/** How the vTPM's quote is signed, and in what form the signature is passed on. */
export type QuoteSignature = 'bare' | 'rsassa-sha256' | 'rsapss-sha256' | 'rsassa-sha384'

export interface TestVmFields {
  readonly nonce?: Uint8Array
  readonly pcrs?: readonly Uint8Array[]
  /** Indexes that the quote selects; all 24 when left out. */
  readonly selection?: readonly number[]
  readonly hashType?: 1 | 2 | 3
  readonly reportType?: number
  readonly userData?: string
  readonly vmConfiguration?: Record<string, unknown>
  /** Runtime data instead of the usual. */
  readonly runtimeData?: Uint8Array
  readonly signature?: QuoteSignature
  /** Signs the quote instead of the attestation key. */
  readonly signer?: KeyObject
  /** Of TPMS_ATTEST; 8018 is a quote. */
  readonly attestType?: number
  readonly report?: TestReportFields
}

const HASHES = { 1: 'sha256', 2: 'sha384', 3: 'sha512' } as const

/** PCR0 to PCR23, each of its own. */
export const TEST_PCRS: readonly Uint8Array[] = Array.from({ length: 24 }, (_, index) =>
  new Uint8Array(32).fill(index),
)

export class TestAzureVm {
  readonly attestationKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  readonly product: AmdProduct
  readonly chip: TestChip
  readonly vcek: TestEndorsement

  constructor(product: AmdProduct, chip: TestChip, vcek: TestEndorsement) {
    this.product = product
    this.chip = chip
    this.vcek = vcek
  }

  evidence(fields: TestVmFields = {}): AzureVtpmEvidence {
    const pcrs = fields.pcrs ?? TEST_PCRS
    const message = this.#quote(fields, pcrs)
    return {
      hclReport: this.hclReport(fields),
      tpmQuote: { message, signature: this.#sign(message, fields), pcrs },
      vcek: this.vcek.certificate,
      tdQuote: undefined,
    }
  }

  runtimeData(fields: TestVmFields = {}): Uint8Array {
    const { n, e } = this.attestationKey.publicKey.export({ format: 'jwk' })
    return toUtf8(
      JSON.stringify({
        keys: [
          { kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n },
          { kid: 'HCLEkPub', key_ops: ['encrypt'], kty: 'RSA', e, n },
        ],
        'vm-configuration': fields.vmConfiguration ?? { 'secure-boot': true, vmUniqueId: 'A-B' },
        'user-data': fields.userData ?? '00'.repeat(64),
      }),
    )
  }

  hclReport(fields: TestVmFields = {}): Uint8Array {
    const runtimeData = fields.runtimeData ?? this.runtimeData(fields)
    const hashType = fields.hashType ?? 1
    const digest = createHash(HASHES[hashType]).update(runtimeData).digest('hex')
    const reportFields = { reportData: digest.padEnd(128, '0'), ...fields.report }
    const report = makeSnpReport(this.product, this.chip, this.vcek.key.privateKey, reportFields)
    const content = hclReport(report, runtimeData, fields.reportType ?? REPORT_TYPE.SNP, hashType)
    // As the NV index has it: longer than its content.
    return Buffer.concat([content, Buffer.alloc(64)])
  }

  /** TPMS_ATTEST. */
  #quote(fields: TestVmFields, pcrs: readonly Uint8Array[]): Uint8Array {
    const selection = fields.selection ?? Array.from({ length: 24 }, (_, index) => index)
    const values = pcrs.length === 24 ? selection.map((index) => pcrs[index] ?? new Uint8Array(0)) : pcrs
    const hash = fields.signature === 'rsassa-sha384' ? 'sha384' : 'sha256'
    const digest = createHash(hash)
      .update(concatBytes(...values))
      .digest()
    const message = quoteMessage(fields.nonce ?? new Uint8Array(0), selection, digest)
    if (fields.attestType !== undefined) message.writeUInt16BE(fields.attestType, 4)
    return message
  }

  #sign(message: Uint8Array, fields: TestVmFields): Uint8Array {
    const { signature: form = 'bare', signer: key = this.attestationKey.privateKey } = fields
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    const hash = form === 'rsassa-sha384' ? 'sha384' : 'sha256'
    const signature = sign(hash, message, form === 'rsapss-sha256' ? { key, ...pss } : key)
    if (form === 'bare') return signature
    return rsaSignature(form === 'rsapss-sha256' ? 'rsapss' : 'rsassa', hash, signature)
  }
}
