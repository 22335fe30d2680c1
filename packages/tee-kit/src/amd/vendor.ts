import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { withOneBitFlipped } from '../encoding/bytes.ts'
import { pem } from '../encoding/x509.ts'
import type { KeyPair } from '../encoding/x509.ts'
import { AmdAuthorities, p384Key } from './authorities.ts'
import type { EndorsementType, Validity } from './authorities.ts'
import { certificateTable } from './certificate-table.ts'
import { snpReport, signReport } from './report.ts'
import type { SnpReportFields } from './report.ts'
import { CHIP_ID_LENGTH } from './tcb.ts'
import type { AmdProduct, SnpTcb } from './tcb.ts'

/** What can be wrong with a certificate or a list: as for Intel, but for `altered`. */
export type AmdIssueFault = 'expired' | 'not-yet-valid' | 'wrong-signature'
/** The report was changed after it was signed, or another key signed. */
export type SnpReportFault = 'altered-body' | 'wrong-signature'

export interface SnpReportOptions extends SnpReportFields {
  /** Default `VCEK`. */
  readonly signingKey?: EndorsementType
  readonly faults?: readonly SnpReportFault[]
}

export interface ChipOptions {
  readonly tcb?: SnpTcb
  /** The host doesn't give the chip's id away: reports have zeros there. */
  readonly maskChipId?: boolean
  /** The cloud provider whose VLEK the chip has. */
  readonly cspId?: string
}

/** A chip that is up to date, by the kit's own reckoning. */
const CURRENT_TCB: Record<AmdProduct, SnpTcb> = {
  Milan: { bootloader: 4, tee: 0, snp: 24, microcode: 219 },
  Genoa: { bootloader: 10, tee: 0, snp: 23, microcode: 84 },
  Turin: { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 71 },
}

const yearsFrom = (date: Date, years: number): Date => {
  const other = new Date(Math.floor(date.getTime() / 1000) * 1000)
  other.setUTCFullYear(other.getUTCFullYear() + years)
  return other
}

function validityUnder(fault: AmdIssueFault | undefined, now: Date): Validity {
  if (fault === 'expired') return { notBefore: yearsFrom(now, -8), notAfter: yearsFrom(now, -1) }
  if (fault === 'not-yet-valid') return { notBefore: yearsFrom(now, 1), notAfter: yearsFrom(now, 8) }
  return { notBefore: yearsFrom(now, -1), notAfter: yearsFrom(now, 6) }
}

/** A processor with SEV-SNP, at one TCB version. */
export class AmdChip {
  readonly product: AmdProduct
  /** Hex: 64 bytes, Turin 8. */
  readonly hwid: string
  readonly tcb: SnpTcb
  readonly cspId: string
  readonly #reportedId: string
  readonly #keys: Readonly<Record<EndorsementType, KeyPair>> = { VCEK: p384Key(), VLEK: p384Key() }
  readonly #authorities: AmdAuthorities
  readonly #now: () => Date

  constructor(authorities: AmdAuthorities, now: () => Date, options: ChipOptions) {
    this.product = authorities.product
    this.hwid = randomBytes(CHIP_ID_LENGTH[this.product]).toString('hex')
    this.tcb = options.tcb ?? CURRENT_TCB[this.product]
    this.cspId = options.cspId ?? 'CN=cc-us-east-2.amazonaws.com'
    this.#reportedId = options.maskChipId === true ? '' : this.hwid
    this.#authorities = authorities
    this.#now = now
  }

  /** VCEK or VLEK certificate, DER. */
  certificate(type: EndorsementType, fault?: AmdIssueFault): Buffer {
    return this.#authorities.endorse(
      {
        type,
        tcb: this.tcb,
        publicKey: this.#keys[type].publicKey,
        hwid: Buffer.from(this.hwid, 'hex'),
        cspId: this.cspId,
        ...validityUnder(fault, this.#now()),
      },
      fault === 'wrong-signature' ? strangersKey() : undefined,
    )
  }

  /** 1184 bytes. */
  report({ signingKey = 'VCEK', faults = [], ...fields }: SnpReportOptions = {}): Buffer {
    const chip = { product: this.product, chipId: this.#reportedId, tcb: this.tcb }
    const report = snpReport(chip, signingKey, fields)
    const key = faults.includes('wrong-signature') ? p384Key() : this.#keys[signingKey]
    signReport(report, key.privateKey)
    // Inside the report data.
    return faults.includes('altered-body') ? withOneBitFlipped(report, 0x50) : report
  }

  /** The host's certificate table: what vouches for the key, up to the ARK. */
  auxblob(type: EndorsementType = 'VCEK', guidOrder: 'text' | 'swapped' = 'text'): Buffer {
    return certificateTable(
      [
        [type, this.certificate(type)],
        ['ASK', this.#authorities.intermediate(type)],
        ['ARK', this.#authorities.ark],
      ],
      guidOrder,
    )
  }
}

let stranger: KeyPair | undefined
/** Somebody who is no authority. */
const strangersKey = (): KeyPair => (stranger ??= generateKeyPairSync('rsa', { modulusLength: 2048 }))

/** Acts as AMD for one product line. Only who is told to trust `ark` believes any of it. */
export class AmdVendor {
  readonly product: AmdProduct
  readonly #now: () => Date
  readonly #authorities: AmdAuthorities
  readonly #chips: AmdChip[] = []
  readonly #revoked = new Set<string>()

  constructor(product: AmdProduct, now: () => Date, keyBits: number) {
    this.product = product
    this.#now = now
    const validity = { notBefore: yearsFrom(now(), -5), notAfter: yearsFrom(now(), 20) }
    this.#authorities = new AmdAuthorities(product, validity, keyBits)
  }

  /** The trust anchor, DER. */
  get ark(): Buffer {
    return this.#authorities.ark
  }

  /** All chips so far. */
  get chips(): readonly AmdChip[] {
    return this.#chips
  }

  /** ASK or ASVK, DER: what signs VCEKs or VLEKs. */
  intermediate(type: EndorsementType): Buffer {
    return this.#authorities.intermediate(type)
  }

  /** PEM: ASK or ASVK, then ARK, as the key distribution service gives them. */
  chain(type: EndorsementType): string {
    return pem(this.intermediate(type), this.ark)
  }

  createChip(options: ChipOptions = {}): AmdChip {
    const chip = new AmdChip(this.#authorities, this.#now, options)
    this.#chips.push(chip)
    return chip
  }

  /** Puts ASK or ASVK on the ARK's lists from now on. */
  revoke(type: EndorsementType): void {
    this.#revoked.add(this.#authorities.intermediateSerial(type))
  }

  /** The ARK's revocation list, DER. */
  crl(fault?: AmdIssueFault): Buffer {
    const { notBefore, notAfter } = validityUnder(fault, this.#now())
    const dates = { thisUpdate: notBefore, nextUpdate: notAfter }
    return this.#authorities.revocationList(
      [...this.#revoked],
      dates,
      fault === 'wrong-signature' ? strangersKey() : undefined,
    )
  }
}

export interface AmdVendorOptions {
  readonly product?: AmdProduct
  /** The vendor's clock; what it issues is valid around that time. Default: the machine's. */
  readonly now?: () => Date
  /**
   * Of the RSA keys of ARK, ASK and ASVK. Default 4096, as AMD's: these take seconds to make. Verifiers take 2048 as well.
   */
  readonly keyBits?: 2048 | 3072 | 4096
}

/** An AMD of our own, with fresh keys. */
export const createAmdVendor = ({
  product = 'Milan',
  now = () => new Date(),
  keyBits = 4096,
}: AmdVendorOptions = {}): AmdVendor => new AmdVendor(product, now, keyBits)
