import type { TestAmd } from './tee-kit-amd-nitro.ts'
import { pem } from './tee-kit-intel.ts'
import type { IntelPlatform } from './tee-kit-intel.ts'
import { FMSPC } from './tee-kit-intel.ts'
import type { Json } from '../../packages/tee-kit/src/intel/documents.ts'
import type { VendorServer } from './vendor-server.ts'

// What Intel's and AMD's services answer about the platforms of the test kits.

export interface IntelReplies {
  readonly api?: 'v3' | 'v4'
  readonly crlForm?: 'der' | 'hex' | 'pem'
  readonly fmspc?: string
  /** Fields of TCB info and QE identity, for example other dates. */
  readonly changes?: Record<string, Json>
  readonly crlDates?: { thisUpdate: Date; nextUpdate: Date }
}

const encoded = (...certificates: readonly Uint8Array[]): string => encodeURIComponent(pem(...certificates))

/** Intel's service, or a PCCS, of one platform's vendor. */
export function serveIntel(server: VendorServer, platform: IntelPlatform, options: IntelReplies = {}): void {
  const { api = 'v4', crlForm = 'der', fmspc = FMSPC, changes = {}, crlDates = {} } = options
  const form = (der: Uint8Array): Uint8Array | string => {
    if (crlForm === 'der') return der
    const buffer = Buffer.from(der)
    return crlForm === 'hex'
      ? buffer.toString('hex')
      : `-----BEGIN X509 CRL-----\n${buffer.toString('base64')}\n-----END X509 CRL-----\n`
  }
  const signerChain = encoded(platform.signer, platform.root)
  const tcbHeader = api === 'v3' ? 'SGX-TCB-Info-Issuer-Chain' : 'TCB-Info-Issuer-Chain'
  const put = (path: string, headers: Record<string, string>, body: Uint8Array | string): void => {
    server.replies.set(path, { headers, body })
  }
  for (const tee of api === 'v4' ? (['sgx', 'tdx'] as const) : (['sgx'] as const)) {
    const base = `/${tee}/certification/${api}`
    const fields = { fmspc, ...changes }
    const info = tee === 'sgx' ? platform.sgxTcbInfo(fields) : platform.tdxTcbInfo(fields)
    put(`${base}/tcb?fmspc=${fmspc}`, { [tcbHeader]: signerChain }, platform.signedTcbInfo(info))
    put(
      `${base}/qe/identity`,
      { 'SGX-Enclave-Identity-Issuer-Chain': signerChain },
      platform.signedQeIdentity(platform.qeIdentity({ id: tee === 'sgx' ? 'QE' : 'TD_QE', ...changes })),
    )
  }
  const crlChain = { 'SGX-PCK-CRL-Issuer-Chain': encoded(platform.ca, platform.root) }
  put(`/sgx/certification/${api}/pckcrl?ca=platform&encoding=der`, crlChain, form(platform.pckCrl(crlDates)))
  put(`/sgx/certification/${api}/rootcacrl`, {}, form(platform.rootCrl(crlDates)))
}

/** AMD's key distribution service for one product; VCEKs are put by hand. */
export function serveAmd(server: VendorServer, amd: TestAmd, crl: Uint8Array = amd.crl([])): void {
  server.replies.set(`/vcek/v1/${amd.product}/crl`, { body: crl })
  server.replies.set(`/vcek/v1/${amd.product}/cert_chain`, { body: pem(amd.ask, amd.ark) })
  server.replies.set(`/vlek/v1/${amd.product}/cert_chain`, { body: pem(amd.asvk, amd.ark) })
}
