import { DER_TAG, DerReader, booleanValue, oidText, readSingle, smallInteger } from '../core/der.ts'
import type { DerElement } from '../core/der.ts'
import { malformed } from '../core/errors.ts'
import type { Certificate } from '../core/x509.ts'

// Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, section 1.3.5.

/** The SGX extension of PCK certificates. */
export const SGX_EXTENSION_OID = '1.2.840.113741.1.13.1'
const PPID = `${SGX_EXTENSION_OID}.1`
const TCB = `${SGX_EXTENSION_OID}.2`
const PCE_SVN = `${TCB}.17`
const CPU_SVN = `${TCB}.18`
const PCE_ID = `${SGX_EXTENSION_OID}.3`
const FMSPC = `${SGX_EXTENSION_OID}.4`
const SGX_TYPE = `${SGX_EXTENSION_OID}.5`
const PLATFORM_INSTANCE_ID = `${SGX_EXTENSION_OID}.6`
const CONFIGURATION = `${SGX_EXTENSION_OID}.7`
const DYNAMIC_PLATFORM = `${CONFIGURATION}.1`
const CACHED_KEYS = `${CONFIGURATION}.2`
const SMT_ENABLED = `${CONFIGURATION}.3`

/** Number of SGX TCB components. */
export const TCB_COMPONENTS = 16

/** What Intel says about the platform in its PCK certificate. */
export interface PckExtensions {
  /** 16 bytes. */
  readonly ppid: Uint8Array
  /** SVNs of the 16 TCB components, 0 to 255 each. */
  readonly components: readonly number[]
  readonly pceSvn: number
  /** 16 bytes, the raw CPUSVN. */
  readonly cpuSvn: Uint8Array
  /** 2 bytes. */
  readonly pceId: Uint8Array
  /** 6 bytes: family, model, stepping, platform and custom SKU. */
  readonly fmspc: Uint8Array
  /** 0: standard, 1: scalable, 2: scalable with integrity. */
  readonly sgxType: number
  /** 16 bytes; Platform CA only. */
  readonly platformInstanceId: Uint8Array | undefined
  /** Platform CA only. */
  readonly configuration: PckConfiguration | undefined
}

export interface PckConfiguration {
  readonly dynamicPlatform: boolean | undefined
  readonly cachedKeys: boolean | undefined
  readonly smtEnabled: boolean | undefined
}

export const isPckCertificate = (certificate: Certificate): boolean =>
  certificate.extensions.has(SGX_EXTENSION_OID)

/** @throws EvidenceInvalid (wrap in `decoding`) when the extension is absent, incomplete or malformed */
export function parsePckExtensions(certificate: Certificate): PckExtensions {
  const extension = certificate.extensions.get(SGX_EXTENSION_OID)
  if (!extension) {
    throw malformed('the certificate has no SGX extension', `extension ${SGX_EXTENSION_OID}`, 'none')
  }
  const fields = fieldMap(readSingle(extension.value, 'SGX extension', DER_TAG.sequence), 'SGX extension')
  const tcb = fieldMap(required(fields, TCB, 'TCB'), 'TCB')
  const components = Array.from({ length: TCB_COMPONENTS }, (_, index) => {
    const what = `TCB component ${index + 1}`
    return boundedInteger(required(tcb, `${TCB}.${index + 1}`, what), 0xff, what)
  })
  const platformInstanceId = fields.get(PLATFORM_INSTANCE_ID)
  const configuration = fields.get(CONFIGURATION)
  return {
    ppid: octets(required(fields, PPID, 'PPID'), 16, 'PPID'),
    components,
    pceSvn: boundedInteger(required(tcb, PCE_SVN, 'PCESVN'), 0xffff, 'PCESVN'),
    cpuSvn: octets(required(tcb, CPU_SVN, 'CPUSVN'), 16, 'CPUSVN'),
    pceId: octets(required(fields, PCE_ID, 'PCEID'), 2, 'PCEID'),
    fmspc: octets(required(fields, FMSPC, 'FMSPC'), 6, 'FMSPC'),
    sgxType: enumerated(required(fields, SGX_TYPE, 'SGX type')),
    platformInstanceId: platformInstanceId && octets(platformInstanceId, 16, 'platform instance id'),
    configuration: configuration && parseConfiguration(configuration),
  }
}

function parseConfiguration(element: DerElement): PckConfiguration {
  const fields = fieldMap(element, 'configuration')
  const flag = (oid: string): boolean | undefined => {
    const value = fields.get(oid)
    return value && booleanValue(typed(value, DER_TAG.boolean, 'configuration flag'), 'configuration flag')
  }
  return {
    dynamicPlatform: flag(DYNAMIC_PLATFORM),
    cachedKeys: flag(CACHED_KEYS),
    smtEnabled: flag(SMT_ENABLED),
  }
}

/** A SEQUENCE of pairs of OID and value; each OID once. Unknown ones are allowed, as the profile demands. */
function fieldMap(element: DerElement, what: string): Map<string, DerElement> {
  const fields = new Map<string, DerElement>()
  const reader = new DerReader(typed(element, DER_TAG.sequence, what).content)
  while (!reader.done) {
    const pair = reader.sequence(`field of the ${what}`)
    const oid = oidText(pair.read('field OID', DER_TAG.oid).content)
    const value = pair.read('field value')
    pair.end(`field of the ${what}`)
    if (fields.has(oid)) throw malformed(`the ${what} has a field twice`, 'each field once', oid)
    fields.set(oid, value)
  }
  return fields
}

function required(fields: Map<string, DerElement>, oid: string, what: string): DerElement {
  const value = fields.get(oid)
  if (!value) throw malformed(`the SGX extension has no ${what}`, `field ${oid}`, 'none')
  return value
}

function typed(element: DerElement, tag: number, what: string): DerElement {
  if (element.tag === tag) return element
  throw malformed(
    `${what} has another ASN.1 type`,
    `tag 0x${tag.toString(16)}`,
    `tag 0x${element.tag.toString(16)}`,
  )
}

function octets(element: DerElement, length: number, what: string): Uint8Array {
  const { content } = typed(element, DER_TAG.octetString, what)
  if (content.length !== length) {
    throw malformed(`${what} has a bad length`, `${length} bytes`, `${content.length} bytes`)
  }
  return content
}

function boundedInteger(element: DerElement, max: number, what: string): number {
  const value = smallInteger(typed(element, DER_TAG.integer, what), what)
  if (value > max) throw malformed(`${what} is too large`, `at most ${max}`, String(value))
  return value
}

const enumerated = (element: DerElement): number =>
  smallInteger(typed(element, DER_TAG.enumerated, 'SGX type'), 'SGX type')
