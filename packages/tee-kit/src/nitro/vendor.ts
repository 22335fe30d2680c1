import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { fromHex, withOneBitFlipped } from '../encoding/bytes.ts'
import { cbor } from '../encoding/cbor.ts'
import type { CborItem } from '../encoding/cbor.ts'
import { ES256, ES384, coseSign1 } from '../encoding/cose.ts'
import {
  KEY_USAGE,
  authorityKeyIdentifier,
  buildCertificate,
  certificateAuthority,
  keyUsage,
  noCertificateAuthority,
  subjectKeyIdentifier,
} from '../encoding/x509.ts'
import type { Issuer, KeyPair, Name } from '../encoding/x509.ts'

// AWS Nitro Enclaves, attestation_process.md: COSE_Sign1 with ES384, under certificates that live shorter and shorter.

/** What can be wrong with a document. */
export type NitroFault =
  /** Changed after it was signed. */
  | 'altered-body'
  /** Another key signed. */
  | 'wrong-signature'
  /** The enclave's certificate ended an hour ago. */
  | 'expired-certificate'
  /** It says another algorithm (ES256). */
  | 'wrong-algorithm'

export interface NitroDocumentOptions {
  readonly publicKey?: Uint8Array
  readonly userData?: Uint8Array
  readonly nonce?: Uint8Array
  /** Default: the vendor's clock. */
  readonly timestamp?: Date
  readonly faults?: readonly NitroFault[]
}

export interface EnclaveOptions {
  /** By index, hex, 48 bytes each; those below 16 that are left out are zero. */
  readonly pcrs?: Readonly<Record<number, string>>
  /** All PCRs are zero then. */
  readonly debug?: boolean
}

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR
/** PCR0 to PCR15 are in every document. */
const PCR_COUNT = 16
const PCR_LENGTH = 48

const p384Key = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' })

const awsName = (commonName: string): Name => [
  ['C', 'US'],
  ['O', 'Amazon'],
  ['OU', 'AWS'],
  ['CN', commonName],
]

interface Authority {
  readonly issuer: Issuer
  readonly certificate: Buffer
}

/** An enclave, with the hypervisor that speaks for it. */
export class NitroEnclave {
  readonly moduleId = `i-${randomBytes(8).toString('hex')}-enc${randomBytes(8).toString('hex')}`
  readonly #key = p384Key()
  readonly #pcrs: ReadonlyMap<number, Buffer>
  readonly #authorities: readonly Authority[]
  readonly #now: () => Date

  constructor(
    authorities: readonly Authority[],
    now: () => Date,
    { pcrs = {}, debug = false }: EnclaveOptions,
  ) {
    this.#authorities = authorities
    this.#now = now
    this.#pcrs = new Map(
      Array.from({ length: PCR_COUNT }, (_, index) => {
        const value = debug ? undefined : pcrs[index]
        return [index, value === undefined ? Buffer.alloc(PCR_LENGTH) : fromHex(value)]
      }),
    )
  }

  /** An attestation document, as the Nitro Secure Module gives it. */
  document(options: NitroDocumentOptions = {}): Buffer {
    const has = (fault: NitroFault): boolean => options.faults?.includes(fault) ?? false
    const payload = cbor(
      new Map<string, CborItem>([
        ['module_id', this.moduleId],
        ['digest', 'SHA384'],
        ['timestamp', (options.timestamp ?? this.#now()).getTime()],
        ['pcrs', this.#pcrs],
        ['certificate', this.#certificate(has('expired-certificate'))],
        ['cabundle', this.#authorities.map(({ certificate }) => certificate)],
        ['public_key', options.publicKey ?? null],
        ['user_data', options.userData ?? null],
        ['nonce', options.nonce ?? null],
      ]),
    )
    const { privateKey } = has('wrong-signature') ? p384Key() : this.#key
    const algorithm = has('wrong-algorithm') ? ES256 : ES384
    const [header = null, unprotected = null, , signature = null] = coseSign1(
      payload,
      privateKey,
      algorithm,
      'sha384',
    )
    // In the module id, which stays text.
    const sent = has('altered-body')
      ? withOneBitFlipped(payload, payload.indexOf(this.moduleId) + 3)
      : payload
    return cbor([header, unprotected, sent, signature])
  }

  /** The enclave's own certificate lives for three hours. */
  #certificate(expired: boolean): Buffer {
    const now = this.#now().getTime() - (expired ? 4 * HOUR : 0)
    const zone = this.#authorities.at(-1)
    if (zone === undefined) throw new TypeError('an enclave has authorities')
    return buildCertificate(
      {
        serial: `01${randomBytes(8).toString('hex')}`,
        subject: awsName(`${this.moduleId}.us-east-1.aws`),
        notBefore: new Date(now - 1000),
        notAfter: new Date(now + 3 * HOUR),
        publicKey: this.#key.publicKey,
        extensions: [noCertificateAuthority(), keyUsage(KEY_USAGE.digitalSignature)],
      },
      zone.issuer,
    )
  }
}

/** Acts as AWS. Only who is told to trust `rootCertificate` believes any of it. */
export class NitroVendor {
  readonly #now: () => Date
  /** Root, region, zone, instance. */
  readonly #authorities: readonly Authority[]

  constructor(now: () => Date) {
    this.#now = now
    const at = now().getTime()
    const authorities: Authority[] = []
    for (const [name, days] of [
      ['aws.nitro-enclaves', 30 * 365],
      ['5be3ab9a.us-east-1.aws.nitro-enclaves', 20],
      ['d6a1c0ff.zonal.us-east-1.aws.nitro-enclaves', 6],
      ['i-0123456789abcdef0.us-east-1.aws.nitro-enclaves', 1],
    ] as const) {
      const window = { notBefore: new Date(at - DAY), notAfter: new Date(at + days * DAY) }
      authorities.push(newAuthority(name, window, authorities))
    }
    this.#authorities = authorities
  }

  /** The trust anchor, DER. */
  get rootCertificate(): Buffer {
    const [root] = this.#authorities
    if (root === undefined) throw new TypeError('a vendor has a root')
    return root.certificate
  }

  createEnclave(options: EnclaveOptions = {}): NitroEnclave {
    return new NitroEnclave(this.#authorities, this.#now, options)
  }
}

function newAuthority(
  name: string,
  window: { notBefore: Date; notAfter: Date },
  above: readonly Authority[],
): Authority {
  const key = p384Key()
  const own: Issuer = { name: awsName(name), key, signature: 'ecdsa-sha384' }
  const issuer = above.at(-1)?.issuer ?? own
  const certificate = buildCertificate(
    {
      serial: `01${randomBytes(16).toString('hex')}`,
      subject: own.name,
      ...window,
      publicKey: key.publicKey,
      extensions: [
        // Path lengths 2, 1, 0 below the root.
        certificateAuthority(above.length === 0 ? undefined : 3 - above.length),
        authorityKeyIdentifier(issuer.key.publicKey),
        subjectKeyIdentifier(key.publicKey),
        keyUsage(KEY_USAGE.digitalSignature | KEY_USAGE.keyCertSign | KEY_USAGE.cRLSign),
      ],
    },
    issuer,
  )
  return { issuer: own, certificate }
}

export interface NitroVendorOptions {
  /** The vendor's clock. Default: the machine's. */
  readonly now?: () => Date
}

/** An AWS of our own, with fresh keys. */
export const createNitroVendor = ({ now = () => new Date() }: NitroVendorOptions = {}): NitroVendor =>
  new NitroVendor(now)
