import { createHash, createPublicKey, verify } from 'node:crypto'
import type { KeyObject, X509Certificate } from 'node:crypto'
import type { UpdatePlan } from '@taw/protocol'
import { formatAddress } from './address.ts'
import type { Address } from './address.ts'
import { type AuditPage, readAuditPage } from './audit.ts'
import { parseCertificateChain } from './certificate-chain.ts'
import type { CertificateChain } from './certificate-chain.ts'
import { exchange } from './connection.ts'
import type { Request, Trust, UserIdentity } from './connection.ts'
import { ClientError, CoordinatorRefusal, printable } from './errors.ts'
import { AnswerReader, isObject } from './shape.ts'
import { readUpdatePlan } from './update-plan.ts'

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
  /** DER of the certificate of the TLS connection that this came over. */
  readonly serverCertificate: Uint8Array
}

export interface ManifestAnswer {
  /** The bytes as they were uploaded. */
  readonly manifest: Uint8Array
  /** SHA-256 of `manifest`, 64 lower-case hex digits; compared with the Coordinator's. */
  readonly fingerprint: string
  /** ASN.1 ECDSA by the root key over `manifest` with SHA-256; see {@link checkManifestSignature}. */
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

/** The header field is a courtesy: one that can't be read is no reason to fail. */
function readWarnings(field: string | undefined): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(field ?? '[]')
    return Array.isArray(parsed) ? parsed.filter((text) => typeof text === 'string').map(printable) : []
  } catch {
    return []
  }
}

/**
 * The client API, version 2. Every method throws ClientError: `connection_failed`, `certificate_mismatch`,
 * `answer_invalid`, and as CoordinatorRefusal `refused` with the HTTP status and the Coordinator's message.
 */
export class CoordinatorClient {
  readonly #address: Address
  readonly #trust: Trust
  readonly #identity: UserIdentity | undefined

  /** @param identity for requests that only a user of the manifest may make */
  constructor(address: Address, trust: Trust, identity?: UserIdentity) {
    this.#address = address
    this.#trust = trust
    this.#identity = identity
  }

  async status(): Promise<CoordinatorStatus> {
    const { answer } = await this.#get('/api/v2/status', 'Reading the status')
    return { code: answer.integer('code'), message: printable(answer.string('message')) }
  }

  /** @param nonce goes into the quote's report data; empty: none */
  async evidence(nonce: Uint8Array): Promise<CoordinatorEvidence> {
    // Padded base64url (spec/client-api.md); Buffer leaves the padding out.
    const text = Buffer.from(nonce).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
    const query = nonce.length === 0 ? '' : `?nonce=${encodeURIComponent(text)}`
    const { answer, serverCertificate } = await this.#get(`/api/v2/quote${query}`, 'Reading the quote')
    return {
      chain: parseCertificateChain(
        answer.string('cert'),
        `the Coordinator at ${formatAddress(this.#address)}`,
      ),
      quote: Buffer.concat([
        answer.optionalBytes('quote') ?? new Uint8Array(),
        // Verifiers find it there.
        answer.optionalBytes('certificateTable') ?? new Uint8Array(),
      ]),
      serverCertificate,
    }
  }

  /** @throws also ClientError `manifest_inauthentic`, when the fingerprint is not that of the manifest */
  async manifest(): Promise<ManifestAnswer> {
    const { answer } = await this.#get('/api/v2/manifest', 'Reading the manifest')
    const manifest = answer.bytes('manifest')
    const fingerprint = createHash('sha256').update(manifest).digest('hex')
    if (answer.string('manifestFingerprint') !== fingerprint) {
      throw new ClientError(
        'manifest_inauthentic',
        `The Coordinator's manifest has SHA-256 ${fingerprint}, which is not the fingerprint that the Coordinator gives with it`,
      )
    }
    return { manifest, fingerprint, signature: answer.bytes('manifestSignatureRootECDSA') }
  }

  async setManifest(manifest: Uint8Array): Promise<ManifestSetAnswer> {
    const body = manifestBody(manifest)
    const doing = 'Setting the manifest'
    const { data, warnings } = await this.#exchange({ method: 'POST', path: '/api/v2/manifest', body }, doing)
    if (data === null) return { recoverySecrets: new Map(), warnings: readWarnings(warnings) }
    return {
      recoverySecrets: readRecoverySecrets(doing, data, 'RecoverySecrets'),
      warnings: readWarnings(warnings),
    }
  }

  /**
   * Uploads an update: of packages alone, which is in force at once, or a whole manifest, which is in force when
   * enough users agree. Needs a user with the right.
   */
  async updateManifest(manifest: Uint8Array): Promise<UpdateAnswer> {
    return this.#sendUpdate('/api/v2/update', manifest, 'Updating the manifest')
  }

  /** Agrees to the pending update, which must be this very manifest. */
  async acknowledgeUpdate(manifest: Uint8Array): Promise<UpdateAnswer> {
    return this.#sendUpdate('/api/v2/update-manifest', manifest, 'Acknowledging the update')
  }

  /** What {@link updateManifest} would do. Changes nothing. */
  async planUpdate(manifest: Uint8Array): Promise<UpdatePlan> {
    const body = manifestBody(manifest)
    const request = { method: 'POST', path: '/api/v2/update?dry-run=1', body } as const
    const { data } = await this.#exchange(request, 'Planning the update')
    return readUpdatePlan(data)
  }

  /** The update that waits for users to agree. Refused with HTTP 404 if there is none. */
  async pendingUpdate(): Promise<{
    readonly manifest: Uint8Array
    readonly missingUsers: readonly string[]
  }> {
    const { answer } = await this.#get('/api/v2/update-manifest', 'Reading the pending update')
    return { manifest: answer.bytes('manifest'), missingUsers: answer.strings('missingUsers') }
  }

  /** Drops the pending update. Any user with UpdateManifest may. */
  async cancelUpdate(): Promise<void> {
    await this.#exchange({ method: 'POST', path: '/api/v2/update-cancel' }, 'Cancelling the update')
  }

  /** The entries of the update log, oldest first, each the text of a JSON object. */
  async updateLog(): Promise<readonly string[]> {
    const { answer } = await this.#get('/api/v2/update', 'Reading the update log')
    return answer.strings('updateLog')
  }

  /**
   * A page of the audit log, oldest first; see {@link AuditChain} for its verification.
   *
   * @param from sequence number of the first entry, from 1
   * @param limit at most so many; the Coordinator may give fewer
   */
  async auditPage(from: number, limit: number): Promise<AuditPage> {
    const path = `/api/v2/audit?from=${from}&limit=${limit}`
    const { answer } = await this.#get(path, 'Reading the audit log')
    return readAuditPage(answer)
  }

  /** Every name that was asked for has an entry, in the order of `names`. */
  async secrets(names: readonly string[]): Promise<ReadonlyMap<string, SecretAnswer>> {
    const query = names.map((name) => `s=${encodeURIComponent(name)}`).join('&')
    const { answer } = await this.#get(`/api/v2/secrets?${query}`, 'Reading secrets')
    const given = new Map(answer.entries('secrets'))
    return new Map(names.map((name) => [name, readSecret(name, given.get(name))]))
  }

  /** @param secrets JSON text of `{name: {Key} or {Cert, Private}}`, sent as it is */
  async setSecrets(secrets: string): Promise<void> {
    const body = `{"secrets":${secrets}}`
    await this.#exchange({ method: 'POST', path: '/api/v2/secrets', body }, 'Setting secrets')
  }

  /**
   * The RSA key to which recovery secrets can be encrypted. In state 1 only; it goes when the Coordinator stops, and
   * when a recovery succeeds.
   */
  async recoveryPublicKey(): Promise<KeyObject> {
    const doing = "Reading the Coordinator's key for recovery secrets"
    const { answer } = await this.#get('/api/v2/recover/public-key', doing)
    const der = Buffer.from(answer.bytes('ephemeralPublicKey'))
    let key: KeyObject | undefined
    try {
      key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    } catch {
      key = undefined
    }
    if (key?.asymmetricKeyType === 'rsa') return key
    throw new ClientError('answer_invalid', `${doing}: the answer holds no RSA public key`)
  }

  /**
   * Hands over one party's recovery secret.
   * @param secret plain, or encrypted to {@link recoveryPublicKey}
   * @param signature by the party's recovery key over the plain secret, see `signRecoverySecret`
   * @returns 0: the state is recovered. Else the parties that have not handed over theirs; with a recovery threshold
   * not all of them are needed
   */
  async recover(secret: Uint8Array, signature: Uint8Array): Promise<number> {
    const body = JSON.stringify({
      recoverySecret: Buffer.from(secret).toString('base64'),
      recoverySecretSignature: Buffer.from(signature).toString('base64'),
    })
    const doing = 'Handing over the recovery secret'
    const { data } = await this.#exchange({ method: 'POST', path: '/api/v2/recover', body }, doing)
    return new AnswerReader(whatAnswers(doing), data).integer('remaining')
  }

  async #sendUpdate(path: string, manifest: Uint8Array, doing: string): Promise<UpdateAnswer> {
    const request = { method: 'POST', path, body: manifestBody(manifest) } as const
    const { data, warnings } = await this.#exchange(request, doing)
    const answer = new AnswerReader(whatAnswers(doing), data)
    return {
      missingAcknowledgments: answer.integer('missingAcknowledgments'),
      missingUsers: answer.strings('missingUsers'),
      recoverySecrets:
        isObject(data) && 'recoverySecrets' in data
          ? readRecoverySecrets(doing, data, 'recoverySecrets')
          : undefined,
      warnings: readWarnings(warnings),
    }
  }

  async #get(path: string, doing: string): Promise<{ answer: AnswerReader; serverCertificate: Uint8Array }> {
    const { data, serverCertificate } = await this.#exchange({ method: 'GET', path }, doing)
    return { answer: new AnswerReader(whatAnswers(doing), data), serverCertificate }
  }

  async #exchange(
    request: Request,
    doing: string,
  ): Promise<{ data: unknown; warnings: string | undefined; serverCertificate: Uint8Array }> {
    const { status, body, warnings, serverCertificate } = await exchange(
      this.#address,
      this.#trust,
      this.#identity,
      request,
    )
    return { data: readEnvelope(doing, status, body), warnings, serverCertificate }
  }
}

const manifestBody = (manifest: Uint8Array): string =>
  JSON.stringify({ manifest: Buffer.from(manifest).toString('base64') })

function readRecoverySecrets(doing: string, data: unknown, member: string): ReadonlyMap<string, string> {
  const entries = new AnswerReader(whatAnswers(doing), data).entries(member)
  const values = new AnswerReader(whatAnswers(doing), Object.fromEntries(entries))
  return new Map(entries.map(([name]) => [name, values.string(name)]))
}

const whatAnswers = (doing: string): string => `${doing}: the answer`

/** The `data` of a JSend answer (`{status, data, message}`). */
function readEnvelope(doing: string, httpStatus: number, body: string): unknown {
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

function readSecret(name: string, value: unknown): SecretAnswer {
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

/**
 * That the key of this root certificate signed the manifest.
 * @throws ClientError `manifest_inauthentic`
 */
export function checkManifestSignature(root: X509Certificate, answer: ManifestAnswer): void {
  const key = { key: root.publicKey, dsaEncoding: 'der' } as const
  if (!verify('sha256', answer.manifest, key, answer.signature)) {
    throw new ClientError(
      'manifest_inauthentic',
      `The manifest with fingerprint ${answer.fingerprint} is not signed by the Coordinator's root key`,
    )
  }
}
