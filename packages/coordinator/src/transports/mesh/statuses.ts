import type { RefusalCode } from '@taw/protocol'
import { type GrpcStatus, grpcStatus } from './grpc.ts'

/** The gRPC status of each refusal. Exhaustive: a new code without a status does not compile. */
export const meshStatuses: Readonly<Record<RefusalCode, GrpcStatus>> = {
  request_malformed: grpcStatus.INTERNAL,
  limit_exceeded: grpcStatus.RESOURCE_EXHAUSTED,
  state_mismatch: grpcStatus.FAILED_PRECONDITION,
  caller_unknown: grpcStatus.PERMISSION_DENIED,
  permission_denied: grpcStatus.PERMISSION_DENIED,
  manifest_invalid: grpcStatus.INTERNAL,
  update_invalid: grpcStatus.INTERNAL,
  update_missing: grpcStatus.INTERNAL,
  update_pending: grpcStatus.INTERNAL,
  secret_invalid: grpcStatus.INTERNAL,
  secret_unset: grpcStatus.INTERNAL,
  marble_unknown: grpcStatus.PERMISSION_DENIED,
  uuid_invalid: grpcStatus.INVALID_ARGUMENT,
  evidence_invalid: grpcStatus.PERMISSION_DENIED,
  collateral_unavailable: grpcStatus.UNAVAILABLE,
  policy_mismatch: grpcStatus.PERMISSION_DENIED,
  activations_exhausted: grpcStatus.PERMISSION_DENIED,
  csr_invalid: grpcStatus.INTERNAL,
  template_failed: grpcStatus.INTERNAL,
  feature_disabled: grpcStatus.PERMISSION_DENIED,
  recovery_invalid: grpcStatus.INTERNAL,
  storage_unavailable: grpcStatus.INTERNAL,
  internal: grpcStatus.INTERNAL,
}
