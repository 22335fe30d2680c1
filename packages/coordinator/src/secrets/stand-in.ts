import { generateKeyPairSync } from 'node:crypto'
import type { SecretDefinition } from '../manifest/model.ts'
import { encodeUnsigned } from '../pki/certificate.ts'
import { emptyTemplate } from '../pki/empty-template.ts'
import { authorityKeyIdentifier } from '../pki/extensions.ts'
import { rsaBits, type KeyKind } from '../pki/key-pair.ts'
import { emptyName, encodeName } from '../pki/name.ts'
import { encodeRsaKey } from '../pki/odd-rsa.ts'
import {
  checkCertificateTemplate,
  secretCertificateContents,
  shownValidFor,
} from '../pki/secret-certificate.ts'
import type { TemplateData, TemplateSecret } from '../templates/data.ts'
import { SecretBytes } from './secret-bytes.ts'
import { keyKindOf } from './size.ts'
import type { SecretValue } from './value.ts'

/**
 * Values of the right type and size for secrets that have none yet, so that templates can be tried out. None of them
 * is a secret: whoever reads this can know them.
 */

/** Length of a stand-in for a plain secret, which can be of any length; bytes. */
const plainLength = 1024

/** No byte is a NUL, which an environment value may not hold, and all of it is text. */
const filler = 'x'.charCodeAt(0)

/** What a template sees of a secret: its definition with a stand-in for its value. */
export function standInData(
  definitions: ReadonlyMap<string, SecretDefinition>,
  marbleKey: KeyKind = 'P-256',
): TemplateData {
  const secrets = new Map<string, TemplateSecret>()
  const previousSecrets = new Map<string, TemplateSecret>()
  for (const [name, definition] of definitions) {
    const secret = shown(definition, standInValue(definition))
    secrets.set(name, secret)
    // What users upload has no former value, whatever they upload (spec/secrets.md).
    previousSecrets.set(name, definition.userDefined ? shown(definition, undefined) : secret)
  }
  return { secrets, previousSecrets, marbleRun: standInMarbleRun(marbleKey) }
}

/** A value of the type and size that a definition says. Values are shared among secrets: they must not be changed. */
export function standInValue(definition: SecretDefinition): SecretValue {
  switch (definition.type) {
    case 'symmetric-key':
      return bytesValue(Math.max(1, Math.ceil(definition.size / 8)))
    case 'plain':
      return bytesValue(plainLength)
    case 'cert-rsa':
    case 'cert-ecdsa':
    case 'cert-ed25519':
      return new StandInCertificate(definition)
  }
}

function shown(definition: SecretDefinition, value: SecretValue | undefined): TemplateSecret {
  return {
    type: definition.type,
    size: definition.size,
    shared: definition.shared,
    userDefined: definition.userDefined,
    validFor: shownValidFor(definition),
    get certificate() {
      return value?.certificate
    },
    private: value?.private.reveal(),
    public: value?.public.reveal(),
  }
}

const bytesValues = new Map<number, SecretValue>()

function bytesValue(length: number): SecretValue {
  return remember(bytesValues, Math.min(length, largestStandIn), (bounded) => {
    const bytes = new SecretBytes(new Uint8Array(bounded).fill(filler))
    return { certificate: undefined, private: bytes, public: bytes }
  })
}

/** A definition that was not checked yet can name any size; bytes. */
const largestStandIn = 1024 * 1024

/** The certificate is made only when somebody looks at it: manifests can have a hundred thousand secrets. */
class StandInCertificate implements SecretValue {
  readonly private: SecretBytes
  readonly public: SecretBytes
  readonly #definition: SecretDefinition
  #certificate: Uint8Array | undefined

  constructor(definition: SecretDefinition) {
    const { publicKey, privateKey } = standInKey(keyKindOf(definition) ?? usualKind(definition))
    this.private = privateKey
    this.public = publicKey
    this.#definition = definition
  }

  get certificate(): Uint8Array {
    this.#certificate ??= standInCertificate(this.#definition, this.public.reveal())
    return this.#certificate
  }
}

/** For secrets that users upload the manifest need not give a size. */
const usualKind = ({ type }: SecretDefinition): KeyKind => (type === 'cert-rsa' ? 'RSA-2048' : 'P-256')

/** Any time will do. */
const someTime = new Date('2020-01-01T00:00:00Z')

const standInIssuer = {
  name: encodeName({ ...emptyName, commonName: 'MarbleRun Coordinator - Intermediate CA' }),
  authorityKeyIdentifier: authorityKeyIdentifier(new Uint8Array(20).fill(filler)),
}

function standInCertificate(definition: SecretDefinition, publicKey: Uint8Array): Uint8Array {
  const isUsable = !definition.userDefined && checkCertificateTemplate(definition, someTime).length === 0
  const source = isUsable ? definition : { certificate: undefined, validFor: 0 }
  return encodeUnsigned(
    standInIssuer.name,
    secretCertificateContents(standInIssuer, source, publicKey, someTime),
  )
}

interface StandInKey {
  readonly publicKey: SecretBytes
  readonly privateKey: SecretBytes
}

const keys = new Map<KeyKind, StandInKey>()

const standInKey = (kind: KeyKind): StandInKey =>
  remember(keys, kind, () => {
    const { publicKey, privateKey } = makeKey(kind)
    return { publicKey: new SecretBytes(publicKey), privateKey: new SecretBytes(privateKey) }
  })

/** Keys on curves are real; an RSA key, which would take long, only has the right form. */
function makeKey(kind: KeyKind): { publicKey: Uint8Array; privateKey: Uint8Array } {
  const bits = rsaBits(kind)
  if (bits === undefined) {
    const { publicKey, privateKey } =
      kind === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: kind })
    return {
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
    }
  }
  const allOnes = (length: number): bigint => (1n << BigInt(length)) - 1n
  const [modulus, prime] = [allOnes(bits), allOnes(bits >> 1)]
  return encodeRsaKey(modulus, [modulus, prime, prime, prime, prime, prime])
}

const marbleRuns = new Map<KeyKind, TemplateData['marbleRun']>()

const standInMarbleRun = (marbleKey: KeyKind): TemplateData['marbleRun'] =>
  remember(marbleRuns, marbleKey, () => {
    const { publicKey, privateKey } = standInKey(marbleKey)
    const named = (commonName: string, isCa: boolean): TemplateSecret => ({
      type: '',
      size: 0,
      shared: false,
      userDefined: false,
      validFor: 0,
      certificate: namedCertificate(commonName, isCa, publicKey.reveal()),
      private: undefined,
      public: undefined,
    })
    const intermediate = named('MarbleRun Coordinator - Intermediate CA', true)
    const marble = named('11111111-1111-4111-8111-111111111111', false)
    return {
      rootCA: intermediate,
      marbleCert: { ...marble, private: privateKey.reveal(), public: publicKey.reveal() },
      coordinatorRoot: named('MarbleRun Coordinator', true),
      coordinatorIntermediate: intermediate,
    }
  })

function namedCertificate(commonName: string, isCa: boolean, publicKey: Uint8Array): Uint8Array {
  const subject = { ...emptyTemplate.subject, commonName }
  const definition = { certificate: { ...emptyTemplate, subject, isCa }, validFor: 0 }
  return encodeUnsigned(
    standInIssuer.name,
    secretCertificateContents(standInIssuer, definition, publicKey, someTime),
  )
}

function remember<K, V>(known: Map<K, V>, key: K, make: (key: K) => V): V {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = make(key)
  known.set(key, made)
  return made
}
