import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ia5String, integer } from '../encoding/der.ts'
import {
  KEY_USAGE,
  authorityKeyIdentifier,
  buildCertificate,
  buildRevocationList,
  certificateAuthority,
  keyUsage,
  revocationListAt,
  subjectKeyIdentifier,
} from '../encoding/x509.ts'
import type { Extension, Issuer, KeyPair, Name } from '../encoding/x509.ts'
import type { AmdProduct, SnpTcb } from './tcb.ts'

// AMD's certificate authorities of one product line (AMD 57230): ARK, the root; below it ASK for VCEKs, ASVK for VLEKs.

export type EndorsementType = 'VCEK' | 'VLEK'

const amdName = (commonName: string): Name => [
  ['OU', 'Engineering'],
  ['C', 'US'],
  ['L', 'Santa Clara'],
  ['ST', 'CA'],
  ['O', 'Advanced Micro Devices'],
  ['CN', commonName],
]

export const p384Key = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' })

/** The first octet of an authority's serial number is its product line, the others which authority it is. */
const LINE: Record<AmdProduct, string> = { Milan: '01', Genoa: '02', Turin: '03' }
const KDS = 'https://kdsintf.amd.com'

export interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
}

/** What an endorsement says about its key. */
export interface EndorsementContent extends Validity {
  readonly type: EndorsementType
  readonly tcb: SnpTcb
  readonly publicKey: KeyObject
  /** VCEK: the chip. */
  readonly hwid: Uint8Array
  /** VLEK: the cloud provider. */
  readonly cspId: string
}

/** Common names without the product line, and the last two octets of serial numbers. */
const INTERMEDIATE: Record<EndorsementType, { name: string; serial: string }> = {
  VCEK: { name: 'SEV', serial: '0001' },
  VLEK: { name: 'SEV-VLEK', serial: '0101' },
}

interface IntermediateAuthority {
  readonly issuer: Issuer
  readonly certificate: Buffer
}

export class AmdAuthorities {
  readonly product: AmdProduct
  readonly #validity: Validity
  readonly #ark: Issuer
  readonly #below = new Map<EndorsementType, IntermediateAuthority>()
  readonly #newKey: () => KeyPair
  readonly ark: Buffer

  constructor(product: AmdProduct, validity: Validity, keyBits: number) {
    this.product = product
    this.#validity = validity
    this.#newKey = () => generateKeyPairSync('rsa', { modulusLength: keyBits })
    this.#ark = { name: amdName(`ARK-${product}`), key: this.#newKey(), signature: 'rsa-pss-sha384' }
    this.ark = this.#authority(this.#ark, '0000')
  }

  /** ASK or ASVK, DER. */
  intermediate(type: EndorsementType): Buffer {
    return this.#intermediate(type).certificate
  }

  /** Hex. */
  intermediateSerial(type: EndorsementType): string {
    return LINE[this.product] + INTERMEDIATE[type].serial
  }

  /** @param key signs instead of the authority's own */
  endorse(content: EndorsementContent, key?: KeyPair): Buffer {
    const { issuer } = this.#intermediate(content.type)
    const { notBefore, notAfter, publicKey } = content
    return buildCertificate(
      {
        serial: '00',
        subject: amdName(`SEV-${content.type}`),
        notBefore,
        notAfter,
        publicKey,
        extensions: this.#endorsementExtensions(content),
      },
      key === undefined ? issuer : { ...issuer, key },
    )
  }

  revocationList(
    revokedSerials: readonly string[],
    dates: { thisUpdate: Date; nextUpdate: Date },
    key?: KeyPair,
  ): Buffer {
    return buildRevocationList(
      { ...dates, revokedSerials },
      key === undefined ? this.#ark : { ...this.#ark, key },
    )
  }

  /** Made when it is first needed: keys take long. */
  #intermediate(type: EndorsementType): IntermediateAuthority {
    const known = this.#below.get(type)
    if (known !== undefined) return known
    const { name, serial } = INTERMEDIATE[type]
    const issuer: Issuer = {
      name: amdName(`${name}-${this.product}`),
      key: this.#newKey(),
      signature: 'rsa-pss-sha384',
    }
    const made = { issuer, certificate: this.#authority(issuer, serial) }
    this.#below.set(type, made)
    return made
  }

  #authority({ name, key }: Issuer, serial: string): Buffer {
    const isRoot = serial === '0000'
    return buildCertificate(
      {
        serial: LINE[this.product] + serial,
        subject: name,
        ...this.#validity,
        publicKey: key.publicKey,
        extensions: [
          subjectKeyIdentifier(key.publicKey),
          ...(isRoot ? [] : [authorityKeyIdentifier(this.#ark.key.publicKey)]),
          certificateAuthority(isRoot ? undefined : 0),
          keyUsage(isRoot ? KEY_USAGE.keyCertSign | KEY_USAGE.cRLSign : KEY_USAGE.keyCertSign),
          revocationListAt(`${KDS}/${serial === '0101' ? 'vlek' : 'vcek'}/v1/${this.product}/crl`),
        ],
      },
      this.#ark,
    )
  }

  /** AMD 57230, extensions of VCEK and VLEK certificates. */
  #endorsementExtensions({ type, tcb, hwid, cspId }: EndorsementContent): Extension[] {
    const extension = (suffix: string, value: Uint8Array): Extension => ({
      oid: `1.3.6.1.4.1.3704.1.${suffix}`,
      value,
    })
    const isTurin = this.product === 'Turin'
    const levels: readonly (readonly [number, number | undefined])[] = [
      [1, tcb.bootloader],
      [2, tcb.tee],
      [3, tcb.snp],
      ...[4, 5, 6, 7].slice(isTurin ? 1 : 0).map((reserved) => [reserved, 0] as const),
      [8, tcb.microcode],
      ...(isTurin ? [[9, tcb.fmc] as const] : []),
    ]
    return [
      extension('1', integer(isTurin ? 1 : 0)),
      extension('2', ia5String(this.product === 'Milan' ? 'Milan-B0' : this.product)),
      ...levels.map(([number, level]) => extension(`3.${number}`, integer(level ?? 0))),
      // As it is: AMD wraps the chip's id in no type of ASN.1.
      type === 'VCEK' ? extension('4', hwid) : extension('5', ia5String(cspId)),
    ]
  }
}
