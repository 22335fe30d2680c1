import type { RefusalCode } from '@taw/protocol'

/** Whoever measures the client API. Its functions are quick, and never throw. */
export interface RestObserver {
  readonly started: (request: ObservedRequest) => RequestEnded
}

export interface ObservedRequest {
  /** Of a route; undefined: there is no such path. */
  readonly path: string | undefined
  /** As sent. */
  readonly method: string
  /** Of the request line, the header fields, and the body as announced. */
  readonly bytes: number
}

/** Called once, before the answer is sent, so that whoever has the answer finds it counted. */
export type RequestEnded = (answer: {
  readonly status: number
  /** Of the body. */
  readonly bytes: number
  readonly refusal: RefusalCode | undefined
}) => void
