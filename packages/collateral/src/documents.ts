import { AMD_PRODUCTS } from '@taw/attestation'
import type { AmdProduct, CollateralRequest } from '@taw/attestation'

export type Tee = 'SGX' | 'TDX'
export type PckCa = 'platform' | 'processor'
/** Which of two editions of TCB info Intel gives: `early` on the day of a TCB recovery, `standard` up to a year later. */
export type UpdatePolicy = 'standard' | 'early'
export type PckCertificateQuery = NonNullable<CollateralRequest['pckCertificate']>

/** A document that a service can be asked for. Hex is lower case. */
export type DocumentId =
  | {
      readonly kind: 'intel-tcb-info'
      readonly tee: Tee
      readonly fmspc: string
      readonly update: UpdatePolicy
    }
  | { readonly kind: 'intel-qe-identity'; readonly tee: Tee; readonly update: UpdatePolicy }
  | { readonly kind: 'intel-pck-crl'; readonly ca: PckCa }
  | { readonly kind: 'intel-root-ca-crl' }
  | {
      readonly kind: 'intel-pck-certificate'
      readonly qeId: string
      readonly encryptedPpid: string
      readonly cpuSvn: string
      /** Two bytes as the service wants them: little-endian. */
      readonly pceSvn: string
      readonly pceId: string
    }
  | {
      readonly kind: 'amd-vcek'
      readonly product: AmdProduct
      readonly hwid: string
      /** TCB_VERSION as it stands in the report. */
      readonly tcb: string
    }
  | { readonly kind: 'amd-crl'; readonly product: AmdProduct }
  | { readonly kind: 'amd-cert-chain'; readonly product: AmdProduct; readonly type: 'vcek' | 'vlek' }

/** What a document is called in bundles, in the cache, in errors and in notices. */
export function nameOf(id: DocumentId): string {
  switch (id.kind) {
    case 'intel-tcb-info':
      return [id.kind, id.tee, id.fmspc, id.update].join('/')
    case 'intel-qe-identity':
      return [id.kind, id.tee, id.update].join('/')
    case 'intel-pck-crl':
      return [id.kind, id.ca].join('/')
    case 'intel-root-ca-crl':
      return id.kind
    case 'intel-pck-certificate':
      return [id.kind, id.qeId, id.encryptedPpid, id.cpuSvn, id.pceSvn, id.pceId].join('/')
    case 'amd-vcek':
      return [id.kind, id.product, id.hwid, id.tcb].join('/')
    case 'amd-crl':
      return [id.kind, id.product].join('/')
    case 'amd-cert-chain':
      return [id.kind, id.product, id.type].join('/')
  }
}

const TEES = ['SGX', 'TDX'] as const
const UPDATES = ['standard', 'early'] as const
const CAS = ['platform', 'processor'] as const

/** @returns undefined when no document is called so */
export function documentOfName(name: string): DocumentId | undefined {
  const [kind = '', a = '', b = '', c = '', d = '', e = ''] = name.split('/')
  const id = assemble(kind, [a, b, c, d, e])
  // Every document has one name.
  return id && nameOf(id) === name ? id : undefined
}

type Five = readonly [string, string, string, string, string]

function assemble(kind: string, [a, b, c, d, e]: Five): DocumentId | undefined {
  const tee = TEES.find((one) => one === a)
  const product = AMD_PRODUCTS.find((one) => one === a)
  switch (kind) {
    case 'intel-tcb-info': {
      const update = UPDATES.find((one) => one === c)
      return tee && update && isHex(b, 6) ? { kind, tee, fmspc: b, update } : undefined
    }
    case 'intel-qe-identity': {
      const update = UPDATES.find((one) => one === b)
      return tee && update && { kind, tee, update }
    }
    case 'intel-pck-crl': {
      const ca = CAS.find((one) => one === a)
      return ca && { kind, ca }
    }
    case 'intel-root-ca-crl':
      return { kind }
    case 'intel-pck-certificate':
      return isHex(a, 16) && isHex(b, ENCRYPTED_PPID) && isHex(c, 16) && isHex(d, 2) && isHex(e, 2)
        ? { kind, qeId: a, encryptedPpid: b, cpuSvn: c, pceSvn: d, pceId: e }
        : undefined
    case 'amd-vcek':
      return product && isHex(b, hwidLength(product)) && isHex(c, 8)
        ? { kind, product, hwid: b, tcb: c }
        : undefined
    case 'amd-crl':
      return product && { kind, product }
    case 'amd-cert-chain': {
      const type = b === 'vcek' || b === 'vlek' ? b : undefined
      return product && type && { kind, product, type }
    }
    default:
      return undefined
  }
}

/** RSA-3072 (DCAP quote library reference, certification data types 2 and 3); bytes. */
const ENCRYPTED_PPID = 384

const isHex = (text: string, bytes: number): boolean => text.length === 2 * bytes && /^[0-9a-f]*$/.test(text)

/** Bytes of CHIP_ID that name a chip (AMD 57230, hwID). */
export const hwidLength = (product: AmdProduct): number => (product === 'Turin' ? 8 : 64)

/** Documents that exist once for each platform, so that whoever shows evidence decides how many are asked for. */
export function isPerPlatform({ kind }: DocumentId): boolean {
  return kind === 'intel-tcb-info' || kind === 'intel-pck-certificate' || kind === 'amd-vcek'
}

/** Certificates never change; lists and documents are published anew. */
export const isRepublished = ({ kind }: DocumentId): boolean =>
  kind !== 'intel-pck-certificate' && kind !== 'amd-vcek' && kind !== 'amd-cert-chain'

/** The largest answer that is read; bytes. Twice what the reader takes where a service sends hex. */
export function maxBytes({ kind }: DocumentId): number {
  switch (kind) {
    case 'intel-tcb-info':
    case 'intel-qe-identity':
      // As packages/attestation reads at most (intel/read-collateral.ts).
      return 1024 * 1024
    case 'intel-pck-crl':
    case 'intel-root-ca-crl':
      return 8 * 1024 * 1024
    case 'intel-pck-certificate':
    case 'amd-vcek':
      return 32 * 1024
    case 'amd-crl':
    case 'amd-cert-chain':
      return 256 * 1024
  }
}
