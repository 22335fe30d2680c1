import type { MarbleDefinition, SecretDefinition } from '../manifest/model.ts'
import type { PreparedManifest, PreparedMarble } from '../manifest/index.ts'
import type { Authority } from '../pki/authority.ts'
import { pemEncode } from '../pki/pem.ts'
import { shownValidFor } from '../pki/secret-certificate.ts'
import { Refusal } from '../refusal.ts'
import type { SecretBytes } from '../secrets/secret-bytes.ts'
import type { SecretValue } from '../secrets/value.ts'
import {
  type CompiledTemplate,
  TemplateError,
  type TemplateData,
  type TemplateSecret,
} from '../templates/index.ts'
import type { MarbleSecrets } from './marble-secrets.ts'
import { ttlsConfig } from './ttls.ts'

/** What an activated marble gets. */
export interface Parameters {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly env: ReadonlyMap<string, Uint8Array>
  readonly argv: readonly string[]
}

/** Fresh credentials of one marble. */
export interface MarbleIdentity {
  /** DER. */
  readonly certificate: Uint8Array
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  /** PKCS #8, DER. */
  readonly privateKey: SecretBytes
}

/** What is filled in for one marble type. */
export interface ParametersGrant {
  readonly manifest: PreparedManifest
  readonly definition: MarbleDefinition
  readonly prepared: PreparedMarble
}

/**
 * Fills the placeholders of a marble's files and environment, and adds the predefined variables.
 *
 * @throws {@link Refusal} `template_failed`, `secret_unset`
 */
export function renderParameters(
  grant: ParametersGrant,
  identity: MarbleIdentity,
  secrets: MarbleSecrets,
  authority: Authority,
): Parameters {
  const { definition, prepared } = grant
  const data = templateData(grant.manifest, identity, secrets, authority)
  const files = new Map<string, Uint8Array>()
  for (const [path, { data: source }] of definition.files) {
    files.set(path, render(`file "${path}"`, prepared.files.get(path), data) ?? source)
  }
  const env = new Map<string, Uint8Array>()
  for (const [name, { data: source }] of definition.env) {
    const what = `environment variable "${name}"`
    const rendered = render(what, prepared.env.get(name), data) ?? source
    if (rendered.includes(0)) {
      throw new Refusal(
        'template_failed',
        `${what} came out with a NUL byte, which no environment can hold; encode it with hex or base64`,
      )
    }
    env.set(name, rendered)
  }
  addPredefined(env, grant, identity, secrets, authority)
  return { files, env, argv: definition.argv }
}

/**
 * @returns undefined when there is no template, so that the source is the result
 * @throws {@link Refusal} `template_failed`
 */
export function render(
  what: string,
  template: CompiledTemplate | undefined,
  data: TemplateData,
): Uint8Array | undefined {
  try {
    return template?.execute(data)
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    throw new Refusal('template_failed', `filling the placeholders of ${what}: ${error.message}`, {
      cause: error,
    })
  }
}

function addPredefined(
  env: Map<string, Uint8Array>,
  { definition, manifest }: ParametersGrant,
  identity: MarbleIdentity,
  secrets: MarbleSecrets,
  authority: Authority,
): void {
  const pems = authorityPems(authority)
  const certificate = pemEncode('CERTIFICATE', identity.certificate)
  const privateKey = pemEncode('PRIVATE KEY', identity.privateKey.reveal())
  env.set('MARBLE_PREDEFINED_ROOT_CA', Buffer.from(pems.marbleRoot))
  env.set('MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN', Buffer.from(certificate + pems.intermediate))
  env.set('MARBLE_PREDEFINED_PRIVATE_KEY', Buffer.from(privateKey))
  env.set('MARBLE_PREDEFINED_COORDINATOR_ROOT_CA', Buffer.from(pems.root))
  if (definition.tls.length === 0) return
  const tags = definition.tls.map((name) => {
    const tag = manifest.manifest.tls.get(name)
    if (tag === undefined) throw new Error('a checked manifest names a TLS tag that it does not have')
    return [name, tag] as const
  })
  const config = ttlsConfig(tags, { rootCa: pems.marbleRoot, certificate, privateKey }, secrets.current)
  env.set('MARBLE_TTLS_CONFIG', Buffer.from(config))
}

interface AuthorityPems {
  readonly root: string
  readonly intermediate: string
  readonly marbleRoot: string
}

const pemsByAuthority = new WeakMap<Authority, AuthorityPems>()

function authorityPems(authority: Authority): AuthorityPems {
  const known = pemsByAuthority.get(authority)
  if (known !== undefined) return known
  const pems = {
    root: pemEncode('CERTIFICATE', authority.rootCertificate),
    intermediate: pemEncode('CERTIFICATE', authority.intermediateCertificate),
    marbleRoot: pemEncode('CERTIFICATE', authority.marbleRootCertificate),
  }
  pemsByAuthority.set(authority, pems)
  return pems
}

/** What placeholders can reach for one marble. */
function templateData(
  manifest: PreparedManifest,
  identity: MarbleIdentity,
  secrets: MarbleSecrets,
  authority: Authority,
): TemplateData {
  const { secrets: definitions } = manifest.manifest
  const view = (
    values: ReadonlyMap<string, SecretValue>,
    names: Iterable<string>,
  ): ReadonlyMap<string, TemplateSecret> => {
    const map = new Map<string, TemplateSecret>()
    for (const name of names) {
      const definition = definitions.get(name)
      if (definition !== undefined) map.set(name, templateSecret(definition, values.get(name)))
    }
    return map
  }
  return {
    secrets: view(secrets.current, secrets.names),
    previousSecrets: view(secrets.previous, secrets.previousNames),
    marbleRun: {
      rootCA: certificateOnly(authority.marbleRootCertificate),
      marbleCert: {
        ...certificateOnly(identity.certificate),
        private: identity.privateKey.reveal(),
        public: identity.publicKey,
      },
      coordinatorRoot: certificateOnly(authority.rootCertificate),
      coordinatorIntermediate: certificateOnly(authority.intermediateCertificate),
    },
  }
}

/** A secret as templates see it: its definition and, where there is one, its value. */
export function templateSecret(definition: SecretDefinition, value: SecretValue | undefined): TemplateSecret {
  return {
    type: definition.type,
    size: definition.size,
    shared: definition.shared,
    userDefined: definition.userDefined,
    validFor: shownValidFor(definition),
    certificate: value?.certificate,
    private: value?.private.reveal(),
    public: value?.public.reveal(),
  }
}

const certificateOnly = (certificate: Uint8Array): TemplateSecret => ({
  type: '',
  size: 0,
  shared: false,
  userDefined: false,
  validFor: 0,
  certificate,
  private: undefined,
  public: undefined,
})
