import type { RefusalCode } from '@taw/protocol'
import type { GrpcStatus } from './grpc.ts'

/** Whoever measures the mesh API. Its functions are quick, and never throw. */
export interface MeshObserver {
  /** A call whose request could be read. */
  readonly started: (request: ObservedActivation) => CallEnded
  /** A call whose request could not be read ended so. */
  readonly unread: (status: GrpcStatus) => void
}

/** What the caller sent, unchecked; the bytes are lent. */
export interface ObservedActivation {
  readonly marbleType: string
  readonly uuid: string
  readonly evidence: Uint8Array
}

/** Called once, before the answer is sent, so that whoever has the answer finds it counted. */
export type CallEnded = (status: GrpcStatus, refusal: RefusalCode | undefined) => void
