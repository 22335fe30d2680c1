import { encodeTcb } from '../amd/tcb.ts'
import type { AmdProduct } from '../amd/tcb.ts'
import type { AmdIssueFault, AmdVendor } from '../amd/vendor.ts'
import { Refused } from './answer.ts'
import type { Answer, ContentFault, FaultOf } from './answer.ts'

// AMD's key distribution service (AMD 57230, chapter 4).

const ISSUE_FAULT: Record<ContentFault, AmdIssueFault> = {
  stale: 'expired',
  lying: 'wrong-signature',
  flattering: 'wrong-signature',
}

/** Bergamo and Siena have Genoa's keys. */
const PRODUCTS: ReadonlyMap<string, AmdProduct> = new Map([
  ['Milan', 'Milan'],
  ['Genoa', 'Genoa'],
  ['Bergamo', 'Genoa'],
  ['Siena', 'Genoa'],
  ['Turin', 'Turin'],
])

/**
 * Answers a GET request.
 *
 * @returns undefined when the path is none of AMD's
 * @throws Refused for what AMD doesn't have
 */
export function answerAmd(
  { pathname, searchParams }: URL,
  vendors: readonly AmdVendor[],
  faultOf: FaultOf,
): Answer | undefined {
  const [, kind, name = '', what = ''] =
    /^\/(vcek|vlek)\/v1\/([A-Za-z]+)\/([0-9a-zA-Z_]+)$/.exec(pathname) ?? []
  if (kind === undefined) return undefined
  const vendor = vendors.find(({ product }) => product === PRODUCTS.get(name))
  if (vendor === undefined) throw new Refused(404, `no product '${name}'`)
  if (what === 'cert_chain') {
    return {
      resource: 'amd-chain',
      body: Buffer.from(vendor.chain(kind === 'vcek' ? 'VCEK' : 'VLEK')),
      contentType: 'application/x-pem-file',
    }
  }
  if (what === 'crl') {
    const fault = faultOf('amd-crl')
    return {
      resource: 'amd-crl',
      body: vendor.crl(fault && ISSUE_FAULT[fault]),
      contentType: 'application/pkix-crl',
    }
  }
  return kind === 'vcek' ? vcek(what, searchParams, vendor, faultOf) : undefined
}

function vcek(hwid: string, query: URLSearchParams, vendor: AmdVendor, faultOf: FaultOf): Answer {
  const chip = vendor.chips.find((one) => one.hwid === hwid.toLowerCase())
  if (chip === undefined) throw new Refused(404, 'no such chip')
  const level = (name: string): number => {
    const text = query.get(name) ?? '0'
    if (!/^\d{1,3}$/.test(text)) throw new Refused(400, `${name} must be a number`)
    return Number(text)
  }
  const asked = {
    fmc: level('fmcSPL'),
    bootloader: level('blSPL'),
    tee: level('teeSPL'),
    snp: level('snpSPL'),
    microcode: level('ucodeSPL'),
  }
  // AMD would issue one for any version; the kit's chips have one key each.
  if (!encodeTcb(vendor.product, asked).equals(encodeTcb(vendor.product, chip.tcb))) {
    throw new Refused(404, 'the chip has another TCB version')
  }
  const fault = faultOf('vcek')
  return {
    resource: 'vcek',
    body: chip.certificate('VCEK', fault && ISSUE_FAULT[fault]),
    contentType: 'application/pkix-cert',
  }
}
