import { createHash, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { UpdatePlan } from '@taw/protocol'
import { formatAddress } from './address.ts'
import type { Address } from './address.ts'
import { readEnvelope, readRecoverySecrets, readSecret, readWarnings, whatAnswers } from './answers.ts'
import type {
  CoordinatorEvidence,
  CoordinatorStatus,
  ManifestAnswer,
  ManifestSetAnswer,
  SecretAnswer,
  UpdateAnswer,
} from './answers.ts'
import { type AuditPage, readAuditPage } from './audit.ts'
import { parseCertificateChain } from './certificate-chain.ts'
import { exchange } from './connection.ts'
import type { Request, Trust, UserIdentity } from './connection.ts'
import { ClientError, printable } from './errors.ts'
import { AnswerReader, isObject } from './shape.ts'
import { readUpdatePlan } from './update-plan.ts'

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
      collateral: answer.optionalJson('collateral'),
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
  async setSecrets(secrets: string): Promise<{ readonly warnings: readonly string[] }> {
    const body = `{"secrets":${secrets}}`
    const { warnings } = await this.#exchange(
      { method: 'POST', path: '/api/v2/secrets', body },
      'Setting secrets',
    )
    return { warnings: readWarnings(warnings) }
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
