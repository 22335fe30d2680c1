import type { Answer, ApiVersion } from './answers.ts'

/** One request, as routes see it: transport details are gone, nothing is decoded yet. */
export interface RestRequest {
  readonly query: URLSearchParams
  /** DER of the client's certificate, if it showed one. */
  readonly certificate: Uint8Array | undefined
  /** Reads the whole body; only once. Not read before the caller is known, where the caller matters. */
  readonly body: () => Promise<Uint8Array>
}

export interface Route {
  readonly version: ApiVersion
  /** HTTP status of a refused operation. */
  readonly refusedStatus: 400 | 500
  readonly handle: (request: RestRequest) => Promise<Answer> | Answer
}

/** Path → method → route. */
export type Routes = ReadonlyMap<string, ReadonlyMap<string, Route>>
