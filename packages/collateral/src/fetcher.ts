import type { CollateralAnswer } from '@taw/attestation'
import { AmdService } from './amd-service.ts'
import type { AmdServiceOptions } from './amd-service.ts'
import { maxBytes } from './documents.ts'
import type { DocumentId, UpdatePolicy } from './documents.ts'
import { HttpClient } from './http.ts'
import type { HttpAnswer } from './http.ts'
import { IntelService, readIntelAnswer } from './intel-service.ts'
import type { IntelServiceOptions } from './intel-service.ts'
import { withRetries } from './retry.ts'
import type { Outcome, RetryPolicy } from './retry.ts'
import type { Counters } from './stats.ts'

export interface FetcherOptions {
  /** `off`: never asked. */
  readonly intel: IntelServiceOptions | 'off'
  readonly amd: AmdServiceOptions | 'off'
  readonly retry: RetryPolicy
  readonly now: () => Date
  readonly random: () => number
  readonly counters: Counters
}

interface Route {
  readonly client: HttpClient
  readonly url: URL
  readonly read: (answer: HttpAnswer) => CollateralAnswer
}

/** Asks the vendors' services for documents, and verifies nothing of what they say. */
export class Fetcher {
  readonly update: UpdatePolicy
  readonly #options: FetcherOptions
  readonly #intel: { readonly service: IntelService; readonly client: HttpClient } | undefined
  readonly #amd: { readonly service: AmdService; readonly client: HttpClient } | undefined
  readonly #ending = new AbortController()

  /** @throws TypeError when a URL is malformed */
  constructor(options: FetcherOptions) {
    this.#options = options
    const { intel, amd } = options
    if (intel !== 'off') {
      const headers = {
        ...intel.headers,
        ...(intel.subscriptionKey === undefined
          ? {}
          : { 'ocp-apim-subscription-key': intel.subscriptionKey }),
      }
      this.#intel = { service: new IntelService(intel), client: new HttpClient({ ...intel, headers }) }
    }
    if (amd !== 'off') this.#amd = { service: new AmdService(amd), client: new HttpClient(amd) }
    this.update = this.#intel?.service.update ?? 'standard'
  }

  /** Whether there is a service for it. */
  knows(id: DocumentId): boolean {
    return this.#route(id) !== undefined
  }

  async fetch(id: DocumentId): Promise<Outcome<CollateralAnswer>> {
    const route = this.#route(id)
    if (!route) throw new TypeError(`there is no service for ${id.kind}`)
    const { client, url, read } = route
    const { retry, now, random, counters } = this.#options
    counters.fetches += 1
    const outcome = await withRetries(
      async (timeoutMs) => {
        counters.requests += 1
        return read(await client.get(url, maxBytes(id), timeoutMs))
      },
      retry,
      { url: url.origin + url.pathname, now, random, signal: this.#ending.signal },
    )
    for (const { reason } of outcome.failures) counters.failed(reason)
    return outcome
  }

  close(): void {
    this.#ending.abort()
    this.#intel?.client.close()
    this.#amd?.client.close()
  }

  #route(id: DocumentId): Route | undefined {
    switch (id.kind) {
      case 'amd-vcek':
      case 'amd-crl':
      case 'amd-cert-chain':
        return (
          this.#amd && {
            client: this.#amd.client,
            url: this.#amd.service.urlOf(id),
            read: ({ body }) => ({ body, issuerChain: undefined }),
          }
        )
      case 'intel-tcb-info':
      case 'intel-qe-identity':
      case 'intel-pck-crl':
      case 'intel-root-ca-crl':
      case 'intel-pck-certificate':
        return (
          this.#intel && {
            client: this.#intel.client,
            url: this.#intel.service.urlOf(id),
            read: (answer) => readIntelAnswer(id, answer),
          }
        )
    }
  }
}
