import { X509Certificate } from 'node:crypto'
import { pemBlock } from '../encoding/x509.ts'
import type { IntelPlatform } from '../intel/platform.ts'
import type { IntelVendor, IssueFault } from '../intel/vendor.ts'
import { Refused } from './answer.ts'
import type { Answer, ContentFault, FaultOf } from './answer.ts'

// Intel's provisioning certification service (PCS API v3 and v4), and what a PCCS in front of it does differently.

const ISSUE_FAULT: Record<ContentFault, IssueFault> = {
  stale: 'expired',
  lying: 'wrong-signature',
  flattering: 'altered',
}
/** Lists can't be flattering. */
const LIST_FAULT: Record<ContentFault, IssueFault> = { ...ISSUE_FAULT, flattering: 'wrong-signature' }

/** `pcs`: Intel's own. `pccs`: a cache in a data centre, which gives lists in hex unless asked for DER. */
export type IntelFlavour = 'pcs' | 'pccs'

/**
 * Answers a GET request.
 *
 * @returns undefined when the path is none of Intel's
 * @throws Refused for a query that Intel would refuse
 */
export function answerIntel(
  { pathname, searchParams }: URL,
  vendor: IntelVendor,
  flavour: IntelFlavour,
  faultOf: FaultOf,
): Answer | undefined {
  if (pathname === '/IntelSGXRootCA.der') return rootCrl(vendor, faultOf, 'der')
  const [, tee, api, resource] = /^\/(sgx|tdx)\/certification\/(v3|v4)\/(.+)$/.exec(pathname) ?? []
  if (tee === undefined || (tee === 'tdx' && api === 'v3')) return undefined
  const name = tee === 'tdx' ? 'TDX' : 'SGX'
  switch (`${tee}/${resource}`) {
    case 'sgx/tcb':
    case 'tdx/tcb': {
      requireUpdate(searchParams)
      const fmspc = hexParameter(searchParams, 'fmspc', 6)
      const platform = vendor.platforms.find((one) => one.fmspc.toLowerCase() === fmspc)
      if (platform === undefined) throw new Refused(404, `no platform has the FMSPC ${fmspc}`)
      const fault = faultOf('tcb-info')
      const query = { tee: name, fmspc, pceId: platform.pceId, version: api === 'v3' ? 2 : 3 } as const
      return {
        resource: 'tcb-info',
        body: vendor.tcbInfo(query, { fault: fault && ISSUE_FAULT[fault] }),
        contentType: 'application/json',
        headers: chainHeader(`${api === 'v3' ? 'SGX-' : ''}TCB-Info-Issuer-Chain`, vendor.tcbSigningChain),
      }
    }
    case 'sgx/qe/identity':
    case 'tdx/qe/identity': {
      requireUpdate(searchParams)
      const fault = faultOf('qe-identity')
      return {
        resource: 'qe-identity',
        body: vendor.qeIdentity(name, { fault: fault && ISSUE_FAULT[fault] }),
        contentType: 'application/json',
        headers: chainHeader('SGX-Enclave-Identity-Issuer-Chain', vendor.tcbSigningChain),
      }
    }
    case 'sgx/pckcrl':
      return pckCrl(searchParams, vendor, flavour, faultOf)
    case 'sgx/rootcacrl':
      return flavour === 'pccs' ? rootCrl(vendor, faultOf, 'hex') : undefined
    case 'sgx/pckcert':
      return pckCertificate(searchParams, vendor)
    default:
      return undefined
  }
}

function pckCrl(
  query: URLSearchParams,
  vendor: IntelVendor,
  flavour: IntelFlavour,
  faultOf: FaultOf,
): Answer {
  const ca = query.get('ca')
  if (ca !== 'platform' && ca !== 'processor') throw new Refused(400, 'ca must be platform or processor')
  const encoding = query.get('encoding') ?? (flavour === 'pcs' ? 'pem' : 'hex')
  const fault = faultOf('pck-crl')
  const list = vendor.pckCrl(ca, fault && LIST_FAULT[fault])
  return {
    resource: 'pck-crl',
    body:
      encoding === 'der'
        ? list
        : Buffer.from(encoding === 'pem' ? pemBlock('X509 CRL', list) : list.toString('hex')),
    contentType: encoding === 'der' ? 'application/pkix-crl' : 'application/x-pem-file',
    headers: chainHeader('SGX-PCK-CRL-Issuer-Chain', vendor.pckCaChain(ca)),
  }
}

function rootCrl(vendor: IntelVendor, faultOf: FaultOf, encoding: 'der' | 'hex'): Answer {
  const fault = faultOf('root-crl')
  const list = vendor.rootCrl(fault && LIST_FAULT[fault])
  return {
    resource: 'root-crl',
    body: encoding === 'der' ? list : Buffer.from(list.toString('hex')),
    contentType: 'application/pkix-crl',
  }
}

/** Platforms are known by their quoting enclave's id (PCCS), or by the encrypted PPID (PCS). */
function pckCertificate(query: URLSearchParams, vendor: IntelVendor): Answer {
  const qeId = query.get('qeid')?.toLowerCase()
  const ppid = query.get('encrypted_ppid')?.toLowerCase()
  const matches = (platform: IntelPlatform): boolean =>
    (qeId === undefined ? platform.encryptedPpid === ppid : platform.qeId === qeId) &&
    platform.cpuSvn === hexParameter(query, 'cpusvn', 16) &&
    platform.pceId.toLowerCase() === hexParameter(query, 'pceid', 2) &&
    pceSvnText(platform) === hexParameter(query, 'pcesvn', 2)
  const platform = vendor.platforms.find(matches)
  if (platform === undefined) throw new Refused(404, 'no such platform')
  return {
    resource: 'pck-certificate',
    body: Buffer.from(new X509Certificate(platform.pckCertificate).toString()),
    contentType: 'application/x-pem-file',
    headers: {
      ...chainHeader('SGX-PCK-Certificate-Issuer-Chain', vendor.pckCaChain(platform.ca)),
      'SGX-PCK-Certificate-CA-Type': platform.ca,
      'SGX-FMSPC': platform.fmspc,
      'SGX-TCBm': platform.cpuSvn + pceSvnText(platform),
    },
  }
}

/** Two bytes, little-endian, in hex. */
function pceSvnText({ tcb }: IntelPlatform): string {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(tcb.pceSvn)
  return bytes.toString('hex')
}

/** Chains come percent-encoded. */
const chainHeader = (name: string, chain: string): Record<string, string> => ({
  [name]: encodeURIComponent(chain),
})

function hexParameter(query: URLSearchParams, name: string, bytes: number): string {
  const value = query.get(name)?.toLowerCase() ?? ''
  if (value.length === bytes * 2 && /^[0-9a-f]+$/.test(value)) return value
  throw new Refused(400, `${name} must be ${bytes} bytes in hex`)
}

function requireUpdate(query: URLSearchParams): void {
  const update = query.get('update') ?? 'standard'
  if (update !== 'standard' && update !== 'early') throw new Refused(400, 'update must be standard or early')
}
