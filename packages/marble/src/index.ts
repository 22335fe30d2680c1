export { activate, type ActivateOptions, type Activation, type RetryNotice } from './activation/activate.ts'
export { parseAddress, type Address } from './activation/address.ts'
export { defaultRetryPolicy, type RetryClock, type RetryPolicy } from './activation/retry.ts'
export { MarbleError, type MarbleErrorCode } from './errors.ts'
export { chooseEvidence } from './evidence/choose.ts'
export type { Curve } from './identity/identity.ts'
export { parseMarbleNames, type MarbleNames } from './identity/names.ts'
export { loadOrCreateUuid } from './identity/uuid-file.ts'
export { SecretBytes } from './secret-bytes.ts'
export { credentialsFromEnvironment, type MarbleCredentials } from './tls/credentials.ts'
export {
  admitOnly,
  marbleOf,
  peerMarble,
  requireMarble,
  requireMarbleCertificate,
  type PeerMarble,
  type PeerSocket,
} from './tls/peer.ts'
export {
  tlsOptions,
  type MarbleClientOptions,
  type MarbleGrpcOptions,
  type MarbleServerOptions,
  type MarbleTls,
  type TlsRules,
} from './tls/tls-options.ts'
