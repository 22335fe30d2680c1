import type { CollateralAnswer } from '@taw/attestation'
import type { DocumentId, UpdatePolicy } from './documents.ts'
import { FetchFailure } from './failure.ts'
import type { ConnectionOptions, HttpAnswer } from './http.ts'

/** Intel's public service. */
const PCS_URL = 'https://api.trustedservices.intel.com'
/** Intel's service has no endpoint for the list of its root: it is where the root certificate says. */
const PCS_ROOT_CRL_URL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'

export interface IntelServiceOptions extends ConnectionOptions {
  /**
   * Of Intel's service or of a PCCS; default Intel's. The form of Intel's own configuration files, with
   * `/sgx/certification/v4/` at the end, is understood too.
   */
  readonly url?: string | undefined
  /** Version of the API; default what the URL says, or else `v4`. TDX exists in `v4` only, and is asked for there. */
  readonly api?: 'v3' | 'v4' | undefined
  /** Default `standard`. */
  readonly update?: UpdatePolicy | undefined
  /** Where the root CA's revocation list is, if not where Intel or a PCCS has it. */
  readonly rootCrlUrl?: string | undefined
  /** Intel's key for PCK certificates (header `Ocp-Apim-Subscription-Key`); nothing else needs one. */
  readonly subscriptionKey?: string | undefined
}

type IntelDocument = Extract<DocumentId, { kind: `intel-${string}` }>

/** Knows where Intel's documents are, and how they are answered (Intel PCS API, v3 and v4; PCCS design guide). */
export class IntelService {
  readonly update: UpdatePolicy
  readonly #base: string
  readonly #api: 'v3' | 'v4'
  readonly #rootCrlUrl: string

  /** @throws TypeError when a URL is malformed */
  constructor({ url = PCS_URL, api, update = 'standard', rootCrlUrl }: IntelServiceOptions) {
    const [, base = url, version] = /^(.*?)\/(?:sgx|tdx)\/certification\/(v3|v4)\/?$/.exec(url) ?? []
    this.#base = serviceBase(base, "Intel's provisioning service")
    this.#api = api ?? (version === 'v3' ? 'v3' : 'v4')
    this.update = update
    const isPcs = this.#base === PCS_URL
    this.#rootCrlUrl = rootCrlUrl ?? (isPcs ? PCS_ROOT_CRL_URL : this.#path('sgx', 'rootcacrl', {}).href)
    requireHttps(new URL(this.#rootCrlUrl), 'the root CA’s revocation list')
  }

  urlOf(id: IntelDocument): URL {
    switch (id.kind) {
      case 'intel-tcb-info':
        return this.#path(teePath(id.tee), 'tcb', { fmspc: id.fmspc, ...this.#updateOf(id) })
      case 'intel-qe-identity':
        return this.#path(teePath(id.tee), 'qe/identity', this.#updateOf(id))
      case 'intel-pck-crl':
        return this.#path('sgx', 'pckcrl', { ca: id.ca, encoding: 'der' })
      case 'intel-root-ca-crl':
        return new URL(this.#rootCrlUrl)
      case 'intel-pck-certificate':
        return this.#path('sgx', 'pckcert', {
          qeid: id.qeId,
          encrypted_ppid: id.encryptedPpid,
          cpusvn: id.cpuSvn,
          pcesvn: id.pceSvn,
          pceid: id.pceId,
        })
    }
  }

  #path(tee: 'sgx' | 'tdx', resource: string, query: Readonly<Record<string, string>>): URL {
    const api = tee === 'tdx' ? 'v4' : this.#api
    const url = new URL(`${this.#base}/${tee}/certification/${api}/${resource}`)
    url.search = new URLSearchParams(query).toString()
    return url
  }

  /** `standard` is what services without the parameter give, so only `early` is asked for. */
  #updateOf({ update }: { readonly update: UpdatePolicy }): Record<string, string> {
    return update === 'standard' ? {} : { update }
  }
}

const teePath = (tee: 'SGX' | 'TDX'): 'sgx' | 'tdx' => (tee === 'SGX' ? 'sgx' : 'tdx')

/** Headers with the chain of what is in the body; Intel renamed one from v3 to v4, and services mix them. */
const CHAIN_HEADERS: Record<IntelDocument['kind'], readonly string[]> = {
  'intel-tcb-info': ['tcb-info-issuer-chain', 'sgx-tcb-info-issuer-chain'],
  'intel-qe-identity': ['sgx-enclave-identity-issuer-chain'],
  'intel-pck-crl': ['sgx-pck-crl-issuer-chain'],
  'intel-root-ca-crl': [],
  'intel-pck-certificate': ['sgx-pck-certificate-issuer-chain'],
}

/** @throws FetchFailure `malformed` when the issuer chain is missing */
export function readIntelAnswer({ kind }: IntelDocument, { headers, body }: HttpAnswer): CollateralAnswer {
  const names = CHAIN_HEADERS[kind]
  if (names.length === 0) return { body, issuerChain: undefined }
  const encoded = names.map((name) => headers[name]).find((value) => typeof value === 'string')
  if (typeof encoded !== 'string') {
    throw new FetchFailure('malformed', `the answer has no header '${names.join("' or '")}'`)
  }
  return { body, issuerChain: percentDecoded(encoded) }
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new FetchFailure('malformed', 'the header with the issuer chain is badly percent-encoded')
  }
}

/** Scheme, host and path without a final slash. */
export function serviceBase(url: string, what: string): string {
  const parsed = new URL(url)
  requireHttps(parsed, what)
  if (parsed.search !== '' || parsed.hash !== '') {
    throw new TypeError(`the URL of ${what}, '${url}', has a query or fragment; give it without`)
  }
  return parsed.href.replace(/\/+$/, '')
}

function requireHttps(url: URL, what: string): void {
  if (url.protocol === 'https:') return
  throw new TypeError(`the URL of ${what}, '${url.href}', must start with https://`)
}
