import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { AmdChip } from '../amd/vendor.ts'
import { withOneBitFlipped } from '../encoding/bytes.ts'
import { quoteMessage, rsaSignature } from '../encoding/tpm.ts'
import { pem } from '../encoding/x509.ts'
import type { IntelPlatform } from '../intel/platform.ts'
import { REPORT_TYPE, hclReport } from './hcl-report.ts'

// A confidential VM on Azure: the hardware vouches for the paravisor and its runtime data, these for the vTPM's key, and
// the vTPM for PCRs and nonce (Microsoft, "Azure confidential VMs, guest attestation design").

export type AzureFault =
  /** The runtime data was changed after the hardware vouched for it. */
  | 'wrong-binding'
  /** Another key signed the vTPM's quote. */
  | 'wrong-signature'
  /** The quote was changed after it was signed. */
  | 'altered-body'
  /** A PCR's value isn't the quoted one. */
  | 'wrong-pcrs'

export interface AzureEvidenceOptions {
  readonly nonce?: Uint8Array
  /** 64 bytes that the guest wrote into the runtime data. */
  readonly userData?: Uint8Array
  readonly faults?: readonly AzureFault[]
}

export interface AzureVmOptions {
  /** SEV-SNP on this chip, or TDX on this platform. */
  readonly hardware: AmdChip | IntelPlatform
  /** PCR0 to PCR23, hex, 32 bytes each. */
  readonly pcrs?: readonly string[]
  readonly debug?: boolean
}

const PCR_COUNT = 24

export class AzureVm {
  readonly #options: AzureVmOptions
  readonly #attestationKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  readonly #pcrs: readonly Buffer[]

  constructor(options: AzureVmOptions) {
    this.#options = options
    this.#pcrs = Array.from({ length: PCR_COUNT }, (_, index) =>
      Buffer.from(options.pcrs?.[index] ?? '00'.repeat(32), 'hex'),
    )
  }

  /** A JSON object as guest components keep it: `hcl_report`, `tpm_quote`, `vcek` or `td_quote`; bytes in base64. */
  evidence({ nonce = Buffer.alloc(0), userData, faults = [] }: AzureEvidenceOptions = {}): Buffer {
    const { hardware, debug = false } = this.#options
    const runtimeData = this.#runtimeData(userData ?? Buffer.alloc(64))
    const reportData = createHash('sha256').update(runtimeData).digest()
    const sentData = faults.includes('wrong-binding')
      ? withOneBitFlipped(runtimeData, runtimeData.indexOf('A-B'))
      : runtimeData
    const isSnp = 'hwid' in hardware
    const report = isSnp ? hardware.report({ reportData, debug }) : tdReportStructure(reportData)
    return Buffer.from(
      JSON.stringify({
        hcl_report: hclReport(report, sentData, isSnp ? REPORT_TYPE.SNP : REPORT_TYPE.TDX).toString('base64'),
        tpm_quote: this.#tpmQuote(nonce, faults),
        ...(isSnp
          ? { vcek: pem(hardware.certificate('VCEK')) }
          : { td_quote: hardware.quoteTdx({ reportData, debug }).toString('base64') }),
      }),
    )
  }

  #runtimeData(userData: Uint8Array): Buffer {
    const { n, e } = this.#attestationKey.publicKey.export({ format: 'jwk' })
    return Buffer.from(
      JSON.stringify({
        keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
        'vm-configuration': { 'secure-boot': true, vmUniqueId: 'A-B' },
        'user-data': Buffer.from(userData).toString('hex').toUpperCase(),
      }),
    )
  }

  #tpmQuote(nonce: Uint8Array, faults: readonly AzureFault[]): Readonly<Record<string, unknown>> {
    const selected = this.#pcrs.map((_, index) => index)
    const digest = createHash('sha256').update(Buffer.concat(this.#pcrs)).digest()
    const message = quoteMessage(nonce, selected, digest)
    const key: KeyObject = faults.includes('wrong-signature')
      ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
      : this.#attestationKey.privateKey
    const sent = faults.includes('altered-body') ? withOneBitFlipped(message, message.length - 1) : message
    const pcrs = this.#pcrs.map((pcr, index) =>
      faults.includes('wrong-pcrs') && index === 7 ? randomBytes(32) : pcr,
    )
    return {
      message: sent.toString('base64'),
      signature: rsaSignature('rsassa', 'sha256', sign('sha256', message, key)).toString('base64'),
      pcrs: pcrs.map((pcr) => pcr.toString('hex')),
    }
  }
}

/** TDREPORT_STRUCT, 1024 bytes: REPORTMACSTRUCT (type 0x81; report data at 128), the rest left zero. */
function tdReportStructure(reportData: Uint8Array): Buffer {
  const report = Buffer.alloc(1024)
  report.writeUInt8(0x81, 0)
  report.set(reportData, 128)
  return report
}

export const createAzureVm = (options: AzureVmOptions): AzureVm => new AzureVm(options)
