/** What a service is asked for. */
export const RESOURCES = [
  'tcb-info',
  'qe-identity',
  'pck-crl',
  'root-crl',
  'pck-certificate',
  'vcek',
  'amd-chain',
  'amd-crl',
] as const
export type Resource = (typeof RESOURCES)[number]

/** What the content of an answer can be instead of what it should. */
export type ContentFault =
  /** What was published long ago, and isn't valid any more. Chains and PCK certificates are as usual. */
  | 'stale'
  /** Signed by somebody else. Chains and PCK certificates are as usual. */
  | 'lying'
  /** Documents that were changed for the better after they were signed; all else as `lying`. */
  | 'flattering'

/** What can be wrong with how a service answers. */
export type ServiceFault =
  | ContentFault
  /** The connection ends without an answer. */
  | 'down'
  /** No answer comes, and the connection stays. */
  | 'silent'
  /** The answer comes late, after the service's delay. */
  | 'slow'
  /** 503. */
  | 'unavailable'
  /** 429, with `Retry-After: 1`. */
  | 'throttled'
  /** 200, and a body of noise. */
  | 'garbage'
  /** 200, and an empty body. */
  | 'empty'
  /** The connection ends in the middle of the body. */
  | 'cut'

/** A good answer. */
export interface Answer {
  readonly resource: Resource
  readonly body: Uint8Array
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What is to be answered with an error status. */
export class Refused extends Error {
  readonly status: 400 | 404
  constructor(status: 400 | 404, message: string) {
    super(message)
    this.status = status
  }
}

/** The fault that content for this resource is to be made with. */
export type FaultOf = (resource: Resource) => ContentFault | undefined
