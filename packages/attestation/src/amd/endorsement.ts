import { bytesEqual, isAllZero } from '../core/bytes.ts'
import { DER_TAG, readSingle, smallInteger } from '../core/der.ts'
import { fromHex, fromUtf8, toHex } from '../core/encoding.ts'
import { malformed } from '../core/errors.ts'
import type { Certificate, Extension } from '../core/x509.ts'
import { AMD_PRODUCTS, TCB_LAYOUT, TCB_LENGTH, decodeTcb } from './tcb.ts'
import type { AmdProduct, TcbComponent, TcbVersion } from './tcb.ts'

/** AMD's arc (AMD 57230: extensions of VCEK and VLEK certificates). */
const ARC = '1.3.6.1.4.1.3704.1'
const EXTENSION = {
  structVersion: `${ARC}.1`,
  productName: `${ARC}.2`,
  hwid: `${ARC}.4`,
  cspId: `${ARC}.5`,
} as const
const COMPONENT_EXTENSION: Record<TcbComponent, string> = {
  bootloader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  microcode: `${ARC}.3.8`,
  fmc: `${ARC}.3.9`,
}
/** SPL4 to SPL7: the reserved bytes, in the order of their offsets. Turin, which has three, leaves SPL4 out. */
const RESERVED_EXTENSIONS = [`${ARC}.3.4`, `${ARC}.3.5`, `${ARC}.3.6`, `${ARC}.3.7`] as const

/** HWID of a chip (AMD 57230, hwID); bytes. */
const HWID_LENGTH: Record<AmdProduct, number> = { Milan: 64, Genoa: 64, Turin: 8 }

/** The certificate of a key that signs reports, with what AMD says in it about the key. Read, not verified. */
export interface SnpEndorsement {
  readonly certificate: Certificate
  /** VCEK: the key of one chip at one TCB version. VLEK: a cloud provider's key at one TCB version. */
  readonly type: 'VCEK' | 'VLEK'
  readonly product: AmdProduct
  /** As it stands, for example `Milan-B0`. */
  readonly productName: string
  readonly structVersion: number
  /** The TCB version that the key was derived for. */
  readonly tcb: TcbVersion
  /** The chip, lower-case hex; a VLEK has none. */
  readonly hwid: string | undefined
  /** The cloud provider of a VLEK. */
  readonly cspId: string | undefined
}

/** Common names of VCEK and VLEK certificates (AMD 57230). */
const TYPE_OF_SUBJECT: ReadonlyMap<string | undefined, SnpEndorsement['type']> = new Map([
  ['SEV-VCEK', 'VCEK'],
  ['SEV-VLEK', 'VLEK'],
])

/** Whether the certificate says that it is a VCEK or VLEK. */
export function isEndorsement(certificate: Certificate): boolean {
  return TYPE_OF_SUBJECT.has(certificate.subjectCommonName)
}

/**
 * Reads AMD's extensions of a VCEK or VLEK certificate.
 *
 * @throws EvidenceInvalid (wrap the call in `decoding`)
 */
export function readEndorsement(certificate: Certificate): SnpEndorsement {
  const type = TYPE_OF_SUBJECT.get(certificate.subjectCommonName)
  if (!type) {
    throw malformed(
      'it is no VCEK or VLEK',
      "subject 'SEV-VCEK' or 'SEV-VLEK'",
      `subject '${certificate.subjectCommonName ?? ''}'`,
    )
  }
  const { extensions } = certificate
  const productName = fromUtf8(
    readSingle(value(extensions, EXTENSION.productName), 'product name', DER_TAG.ia5String).content,
  )
  const product = productOfName(productName)
  return {
    certificate,
    type,
    product,
    productName,
    structVersion: integer(extensions, EXTENSION.structVersion),
    tcb: endorsedTcb(extensions, product),
    hwid: type === 'VCEK' ? hwid(value(extensions, EXTENSION.hwid), product) : undefined,
    cspId: type === 'VLEK' ? cspId(extensions) : undefined,
  }
}

/** `Milan-B0`, `Milan`, `Genoa` …: the line, and for early ones the stepping (AMD 57230, productName). */
function productOfName(name: string): AmdProduct {
  const product = AMD_PRODUCTS.find((one) => name === one || name.startsWith(`${one}-`))
  if (!product)
    throw malformed('it is for an unknown product', AMD_PRODUCTS.join(', '), `'${name.slice(0, 40)}'`)
  return product
}

function endorsedTcb(extensions: ReadonlyMap<string, Extension>, product: AmdProduct): TcbVersion {
  const bytes = new Uint8Array(TCB_LENGTH)
  const offsets = Object.entries(TCB_LAYOUT[product])
  const named = new Set(offsets.map(([, offset]) => offset))
  for (const component of ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const) {
    const offset = TCB_LAYOUT[product][component]
    if (offset !== undefined) bytes[offset] = patchLevel(extensions, COMPONENT_EXTENSION[component])
  }
  const reserved = [...bytes.keys()].filter((offset) => !named.has(offset))
  const oids = RESERVED_EXTENSIONS.slice(-reserved.length)
  for (const [index, offset] of reserved.entries()) {
    const oid = oids[index]
    if (oid !== undefined) bytes[offset] = patchLevel(extensions, oid)
  }
  return decodeTcb(bytes, product)
}

function patchLevel(extensions: ReadonlyMap<string, Extension>, oid: string): number {
  const level = integer(extensions, oid)
  if (level > 0xff) throw malformed(`extension ${oid} is no patch level`, '0 to 255', String(level))
  return level
}

function integer(extensions: ReadonlyMap<string, Extension>, oid: string): number {
  return smallInteger(
    readSingle(value(extensions, oid), `extension ${oid}`, DER_TAG.integer),
    `extension ${oid}`,
  )
}

function value(extensions: ReadonlyMap<string, Extension>, oid: string): Uint8Array {
  const extension = extensions.get(oid)
  if (!extension) throw malformed(`extension ${oid} is missing`, 'the extensions of AMD 57230', 'none')
  return extension.value
}

/** The raw bytes as a rule; some certificates have an OCTET STRING of DER around them, as AMD's table says. */
function hwid(bytes: Uint8Array, product: AmdProduct): string {
  const length = HWID_LENGTH[product]
  const wrapped = bytes.length === length + 2 && bytes[0] === DER_TAG.octetString && bytes[1] === length
  const raw = wrapped ? bytes.subarray(2) : bytes
  if (raw.length !== length) {
    throw malformed('the HWID has another length', `${length} bytes`, `${bytes.length} bytes`)
  }
  return toHex(raw)
}

function cspId(extensions: ReadonlyMap<string, Extension>): string {
  const element = readSingle(value(extensions, EXTENSION.cspId), 'CSP id')
  if (element.tag !== DER_TAG.ia5String && element.tag !== DER_TAG.utf8String) {
    throw malformed('the CSP id has another type', 'IA5String', `tag ${element.tag}`)
  }
  return fromUtf8(element.content)
}

/**
 * Whether the certificate's chip is the report's: CHIP_ID starts with the HWID, and is zero from there on. A chip id of
 * zeros matches none; whether that may be is for the caller to say.
 */
export function hwidMatches(endorsement: SnpEndorsement, chipId: string): boolean {
  if (endorsement.hwid === undefined) return false
  const chip = fromHex(chipId)
  const id = fromHex(endorsement.hwid)
  return bytesEqual(chip.subarray(0, id.length), id) && isAllZero(chip.subarray(id.length)) && !isAllZero(id)
}

/** The key that signs is derived from the TCB version (AMD 57230), so the two are equal, not only comparable. */
export function tcbMatches(endorsement: SnpEndorsement, reportedTcb: TcbVersion): boolean {
  return endorsement.tcb.raw === reportedTcb.raw
}
