import { createHash } from 'node:crypto'
import type { MarbleDefinition, PackagePolicy } from '../manifest/model.ts'
import { withVersion } from '../manifest/package-update.ts'
import type { PreparedManifest, PreparedMarble } from '../manifest/index.ts'
import { type NameRules, textOf } from '../pki/allowed-names.ts'
import { CertificateRequest } from '../pki/certificate-request.ts'
import { issueMarbleCertificate } from '../pki/marble-certificate.ts'
import { type MarbleUuid, parseMarbleUuid } from '../pki/marble-uuid.ts'
import { emptyName } from '../pki/name.ts'
import { requireAdmitted } from '../policy/admission.ts'
import { Refusal } from '../refusal.ts'
import type { AuditRecord } from '../state/audit.ts'
import type { State, StateChange } from '../state/state.ts'
import { secretsForMarble } from './marble-secrets.ts'
import { afterOvertaken } from './overtaken.ts'
import type { Ports } from './ports.ts'
import { type MarbleIdentity, type Parameters, renderParameters } from './render-parameters.ts'

export interface ActivationRequest {
  /** DER of the certificate of this very TLS connection. */
  readonly tlsCertificate: Uint8Array
  /** Quote, raw or behind Open Enclave's header; empty when the marble has no TEE. */
  readonly evidence: Uint8Array
  /** PKCS #10, DER. */
  readonly csr: Uint8Array
  readonly marbleType: string
  readonly uuid: string
  /** True once nobody waits for the answer any more. */
  readonly isAbandoned: () => boolean
}

/** What the manifest has for a marble type; of its package, with the version that updates have raised. */
interface Grant {
  readonly marbleType: string
  readonly manifest: PreparedManifest
  readonly definition: MarbleDefinition
  readonly package: PackagePolicy
  readonly prepared: PreparedMarble
}

/**
 * Admits one marble: proves what it is, then hands it what the manifest grants it.
 *
 * The activation is durable before any secret leaves, so a crash can waste one activation but never grant one too
 * many. When an update or a new value of a secret overtakes the activation, it is done again on the new state: what is
 * recorded after a write has its value.
 *
 * @throws {@link Refusal} `state_mismatch`, `marble_unknown`, `evidence_invalid`, `collateral_unavailable`,
 * `policy_mismatch`, `activations_exhausted`, `uuid_invalid`, `csr_invalid`, `secret_unset`, `template_failed`, `storage_unavailable`
 */
export async function activateMarble(request: ActivationRequest, ports: Ports): Promise<Parameters> {
  for (;;) {
    const state = ports.ledger.state
    const grant = grantFor(state, request.marbleType)
    await admit(request, grant, ports)
    requireActivationLeft(state, grant)
    const uuid = parseMarbleUuid(request.uuid)
    const identity = await issueIdentity(request, grant, uuid, state, ports)
    const secrets = await secretsForMarble(state, grant, uuid, ports)
    const parameters = renderParameters(grant, identity, secrets, state.authority)

    const done = await ports.ledger
      .transact((newest) => {
        const { manifest, authority, secrets: stored } = state
        if (newest.manifest !== manifest || newest.authority !== authority || newest.secrets !== stored) {
          throw new Overtaken()
        }
        if (request.isAbandoned()) throw new Refusal('request_malformed', 'the marble closed its connection')
        return { ...spendActivation(newest, grant, uuid, request.evidence), result: true }
      })
      .catch((error: unknown) => {
        if (error instanceof Overtaken) return false
        throw error
      })
    if (!done) {
      await afterOvertaken()
      continue
    }
    ports.log.info({ MarbleType: request.marbleType, UUID: uuid }, 'marble activated')
    return parameters
  }
}

/** The state changed between the decision and its commit in a way that concerns this activation. */
class Overtaken extends Error {}

function grantFor(state: State, marbleType: string): Grant {
  const { manifest } = state
  if (manifest === undefined) {
    throw new Refusal(
      'state_mismatch',
      'no manifest is in force, so no marble can activate; set a manifest (or recover) first, then try again',
    )
  }
  const definition = manifest.manifest.marbles.get(marbleType)
  const prepared = manifest.marbles.get(marbleType)
  if (definition === undefined || prepared === undefined) {
    throw new Refusal(
      'marble_unknown',
      `the manifest has no marble type "${marbleType.slice(0, 100)}"; names are compared exactly`,
    )
  }
  const package_ = manifest.manifest.packages.get(definition.package)
  if (package_ === undefined) throw new Error('a checked manifest names a package that it does not have')
  return {
    marbleType,
    manifest,
    definition,
    package: withVersion(package_, state.packageVersions.get(definition.package)),
    prepared,
  }
}

/** In simulation evidence is not looked at. */
async function admit(
  { evidence, tlsCertificate }: ActivationRequest,
  grant: Grant,
  { simulation, verification }: Ports,
): Promise<void> {
  if (simulation) return
  const { infrastructures, config } = grant.manifest.manifest
  const claims = await verification.verify(evidence, 'the marble', config.collateral)
  requireAdmitted(claims, tlsCertificate, {
    packageName: grant.definition.package,
    package: grant.package,
    infrastructures,
    collateral: config.collateral,
  })
}

function requireActivationLeft(state: State, grant: Grant): void {
  const { maxActivations } = grant.definition
  const spent = state.activations.get(grant.marbleType) ?? 0
  if (maxActivations === 0 || spent < maxActivations) return
  throw new Refusal(
    'activations_exhausted',
    `marble type "${grant.marbleType}" may activate ${maxActivations} times (MaxActivations), and has done so ` +
      `${spent} times; raise the limit with a manifest update`,
  )
}

async function issueIdentity(
  request: ActivationRequest,
  { prepared: { allowedNames } }: Grant,
  uuid: MarbleUuid,
  state: State,
  ports: Ports,
): Promise<MarbleIdentity> {
  const csr = await CertificateRequest.verify(request.csr)
  for (const warning of csr.warnings) {
    ports.log.warn({ MarbleType: request.marbleType, UUID: uuid }, warning)
  }
  const names = [...csr.dnsNames, ...csr.ipAddresses.map(textOf)]
  ports.log.info(
    { MarbleType: request.marbleType, UUID: uuid, names: names.slice(0, namesLogged), asksFor: names.length },
    'a marble asks for a certificate',
  )
  requireAllowed(csr, request.marbleType, allowedNames)
  const { publicKey, privateKey } = await ports.keyPool.take(ports.curve)
  const identity = { marbleType: request.marbleType, uuid, publicKey }
  const { dnsNames, ipAddresses } = csr
  // Whoever limits names means who a marble says that it is, and that is in its subject too.
  const subject = allowedNames === undefined ? csr.subject : emptyName
  const named = { subject, dnsNames, ipAddresses }
  const certificate = await issueMarbleCertificate(
    ports.issuer(state.authority),
    named,
    identity,
    ports.now(),
  )
  return { certificate, publicKey, privateKey }
}

/** Of one request; the others are counted. */
const namesLogged = 20

/** What a marble may call itself is for the manifest to say: one that was taken over must not be taken for another. */
function requireAllowed(
  csr: CertificateRequest,
  marbleType: string,
  allowedNames: NameRules | undefined,
): void {
  if (allowedNames === undefined) return
  const { allowsDns, allowsIp } = allowedNames
  const refused = [
    ...csr.dnsNames.filter((name) => !allowsDns(name)),
    ...csr.ipAddresses.filter((address) => !allowsIp(address)).map(textOf),
  ]
  const [first] = refused
  if (first === undefined) return
  throw new Refusal(
    'policy_mismatch',
    `issuing a certificate: marble type "${marbleType}" asks for the name ${JSON.stringify(first.slice(0, 100))}` +
      (refused.length > 1 ? ` and ${refused.length - 1} more` : '') +
      ' that its AllowedNames in the manifest do not have; correct EDG_MARBLE_DNS_NAMES, or update the manifest',
  )
}

function spendActivation(
  state: State,
  grant: Grant,
  uuid: string,
  evidence: Uint8Array,
): { changes: readonly StateChange[]; audit: AuditRecord } {
  requireActivationLeft(state, grant)
  const { marbleType } = grant
  const limited = grant.definition.maxActivations !== 0
  const count = (state.activations.get(marbleType) ?? 0) + 1
  return {
    changes: limited ? [{ kind: 'activations', marbleType, count }] : [],
    audit: {
      action: 'marble-activated',
      actor: {
        kind: 'marble',
        type: marbleType,
        uuid,
        evidence: evidence.length === 0 ? null : createHash('sha256').update(evidence).digest('hex'),
      },
      package: grant.definition.package,
      activation: limited ? count : null,
    },
  }
}
