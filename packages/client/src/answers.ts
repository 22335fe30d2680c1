import type { CertificateChain } from './certificate-chain.ts'
import { ClientError, CoordinatorRefusal, printable } from './errors.ts'
import { AnswerReader, isObject } from './shape.ts'

export interface CoordinatorStatus {
  /** 1 recovery, 2 accepting a manifest, 3 accepting marbles. */
  readonly code: number
  readonly message: string
}

/** What the Coordinator says of itself; see `verifyCoordinator`. */
export interface CoordinatorEvidence {
  readonly chain: CertificateChain
  /** Of whatever kind; an SEV-SNP report with the host's certificate table behind it. Empty in simulation. */
  readonly quote: Uint8Array
  /** What vouches for the quote, as the Coordinator has it: a bundle (docs/collateral.md). Undefined: it gave none. */
  readonly collateral: Uint8Array | undefined
  /** DER of the certificate of the TLS connection that this came over. */
  readonly serverCertificate: Uint8Array
}

export interface ManifestAnswer {
  /** The bytes as they were uploaded. */
  readonly manifest: Uint8Array
  /** SHA-256 of `manifest`, 64 lower-case hex digits; compared with the Coordinator's. */
  readonly fingerprint: string
  /** ASN.1 ECDSA by the root key over `manifest` with SHA-256; see `checkManifestSignature`. */
  readonly signature: Uint8Array
}

/** A secret with its definition, as `GET /api/v2/secrets` gives it. Never log one. */
export interface SecretAnswer {
  readonly type: string
  /** Bits; 0: not given. */
  readonly size: number
  readonly shared: boolean
  readonly userDefined: boolean
  /** DER. */
  readonly certificate: Uint8Array | undefined
  /** Days; 0: not given. */
  readonly validFor: number
  /** PKCS #8 DER, or the key or data itself; undefined: not set. */
  readonly privateKey: Uint8Array | undefined
  /** SubjectPublicKeyInfo DER, or the key or data itself. */
  readonly publicKey: Uint8Array | undefined
}

/** What comes back when a manifest is set. */
export interface ManifestSetAnswer {
  /** By the name of the recovery key, base64; empty without recovery keys. */
  readonly recoverySecrets: ReadonlyMap<string, string>
  /** What the Coordinator finds odd about the manifest though it took it; sentences for people. */
  readonly warnings: readonly string[]
}

/** What became of an update with this request. */
export interface UpdateAnswer {
  /** 0: the update is in force. */
  readonly missingAcknowledgments: number
  /** Who could still agree. */
  readonly missingUsers: readonly string[]
  /** By the name of the recovery key, base64; undefined unless the update is in force and changed recovery. */
  readonly recoverySecrets: ReadonlyMap<string, string> | undefined
  /** What the Coordinator finds odd about the update though it took it; sentences for people. */
  readonly warnings: readonly string[]
}

/** The `data` of a JSend answer (`{status, data, message}`). */
export function readEnvelope(doing: string, httpStatus: number, body: string): unknown {
  let answer: unknown
  try {
    answer = JSON.parse(body)
  } catch {
    answer = undefined
  }
  if (!isObject(answer) || !('data' in answer)) {
    throw new ClientError(
      'answer_invalid',
      `${doing}: the server answers HTTP ${httpStatus} with something that no Coordinator sends. Is this the port of its client API?`,
    )
  }
  if (httpStatus === 200 && answer['status'] === 'success') return answer['data']
  const message = answer['message']
  throw new CoordinatorRefusal(doing, httpStatus, typeof message === 'string' ? printable(message) : '')
}

export const whatAnswers = (doing: string): string => `${doing}: the answer`

export function readRecoverySecrets(
  doing: string,
  data: unknown,
  member: string,
): ReadonlyMap<string, string> {
  const entries = new AnswerReader(whatAnswers(doing), data).entries(member)
  const values = new AnswerReader(whatAnswers(doing), Object.fromEntries(entries))
  return new Map(entries.map(([name]) => [name, values.string(name)]))
}

export function readSecret(name: string, value: unknown): SecretAnswer {
  const secret = new AnswerReader(`The answer's secret ${JSON.stringify(name)}`, value)
  return {
    type: secret.string('Type'),
    size: secret.integer('Size'),
    shared: secret.boolean('Shared'),
    userDefined: secret.boolean('UserDefined'),
    certificate: secret.optionalBytes('Cert'),
    validFor: secret.integer('ValidFor'),
    privateKey: secret.optionalBytes('Private'),
    publicKey: secret.optionalBytes('Public'),
  }
}

/** The header field is a courtesy: one that can't be read is no reason to fail. */
export function readWarnings(field: string | undefined): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(field ?? '[]')
    return Array.isArray(parsed) ? parsed.filter((text) => typeof text === 'string').map(printable) : []
  } catch {
    return []
  }
}
