export { formatAddress, parseAddress } from './address.ts'
export type { Address } from './address.ts'
export type { CertificateChain } from './certificate-chain.ts'
export { AuditChain } from './audit-chain.ts'
export type { AuditEntry, AuditPage } from './audit.ts'
export { parseCertificateChain } from './certificate-chain.ts'
export { CoordinatorClient } from './client.ts'
export type {
  CoordinatorEvidence,
  CoordinatorStatus,
  ManifestAnswer,
  ManifestSetAnswer,
  SecretAnswer,
  UpdateAnswer,
} from './answers.ts'
export { checkManifestSignature } from './manifest-signature.ts'
export type { Trust, UserIdentity } from './connection.ts'
export { parseEraConfig, parseTcbStatus, tcbStatuses } from './era-config.ts'
export type { TcbStatus } from './era-config.ts'
export { ClientError, CoordinatorRefusal, printable } from './errors.ts'
export type { ClientErrorCode } from './errors.ts'
export {
  decryptRecoverySecret,
  encryptRecoverySecret,
  isPlainRecoverySecret,
  signRecoverySecret,
} from './recovery-secret.ts'
export { createQuoteVerifier } from './quote-verifier.ts'
export type { CollateralSource, QuoteVerifierOptions } from './quote-verifier.ts'
export { reportData, requestEvidence, verifyCoordinator, verifyEvidence } from './verify.ts'
export type { Appraisal, CoordinatorPolicy, QuoteVerifier, VerifiedCoordinator } from './verify.ts'
