import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { before, suite, test } from 'node:test'
import { decodeLeniently } from '../../packages/coordinator/src/manifest/decode.ts'
import type { SecretDefinition } from '../../packages/coordinator/src/manifest/model.ts'
import { secretsOf } from '../../packages/coordinator/src/manifest/topics/secrets.ts'
import { parseAuthorityNames } from '../../packages/coordinator/src/pki/authority-names.ts'
import {
  type Authority,
  authorityNames,
  createAuthority,
  importIssuer,
  type Issuer,
  renewIntermediate,
} from '../../packages/coordinator/src/pki/authority.ts'
import { CertificateRequest } from '../../packages/coordinator/src/pki/certificate-request.ts'
import { generateKeyPair } from '../../packages/coordinator/src/pki/key-pair.ts'
import { issueMarbleCertificate } from '../../packages/coordinator/src/pki/marble-certificate.ts'
import { parseMarbleUuid } from '../../packages/coordinator/src/pki/marble-uuid.ts'
import { shownValidFor } from '../../packages/coordinator/src/pki/secret-certificate.ts'
import { checkSecret, generateCertificateSecret } from '../../packages/coordinator/src/secrets/generate.ts'
import { certificateFields, keyHash, privateKeyFields } from '../support/certificate-fields.ts'
import { readShared, skipWithoutShared } from '../support/shared.ts'

/** golden/certificates: every field of every certificate, with the P-384 PKI that was recorded. */

interface Fields {
  readonly validity: {
    readonly notBefore: Time
    readonly notAfter: Time
    readonly seconds: number | number[] | string
  }
  readonly extensions: readonly { readonly oid: string; readonly critical: boolean; readonly value: string }[]
  readonly secret?: { readonly private: unknown; readonly returnedDefinition?: { readonly ValidFor: number } }
}

interface Time {
  readonly type: string
  readonly value: string
}

interface Failure {
  readonly error: { readonly while?: string; readonly grpcCode?: string; readonly reason: string }
}

interface MarbleCase {
  readonly id: string
  readonly csrDer: string
  readonly marbleType: string
  readonly uuid: string
  readonly expect: Fields | Failure
}

interface SecretCase {
  readonly id: string
  readonly secret: unknown
  readonly expect: Fields | Failure | { readonly accepted: true }
}

type AuthorityFields = Record<'root' | 'intermediate' | 'marbleRoot', Fields>

interface AuthorityCase {
  readonly id: string
  readonly dnsNames: string | null
  readonly expect: AuthorityFields | Failure
  readonly afterPackageUpdate?: Record<keyof AuthorityFields, Fields | 'kept'>
  readonly afterFullUpdate?: Record<keyof AuthorityFields, Fields | 'kept'>
}

/** Where ours differs on purpose (spec/quirks.md). Each is tested for what it does instead. */
const differences: Readonly<Record<string, string>> = {
  'uuid-nil': 'the nil UUID is refused',
  'uuid-odd-brackets': 'of 38 characters only {…} is taken for a UUID',
}

/** Cases about reading the manifest, which are compared in manifest.test.ts. */
const belongsToManifest = (failure: Failure): string | false =>
  failure.error.while === 'reading the JSON' || failure.error.while === 'checking the manifest'
    ? `${failure.error.while}: part of manifest.test.ts`
    : false

const now = new Date()

const cases = (file: string): unknown =>
  skipWithoutShared === false ? readShared(`golden/certificates/${file}.json`) : []

const isFailure = (expected: object): expected is Failure => 'error' in expected

/** Decoration of the recordings that repeats other fields in words. */
const decoration = new Set(['name', 'names', 'purposes', 'curve', 'secret'])

function withoutDecoration(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDecoration)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !decoration.has(key))
      .map(([key, member]) => [key, withoutDecoration(member)]),
  )
}

/** Compares a certificate with what was recorded, all placeholders filled in from the certificate itself. */
function compare(der: Uint8Array, signer: X509Certificate, expected: Fields): void {
  const actual = certificateFields(der)
  const { seconds } = actual['validity'] as { seconds: number }
  const { octets } = actual['serial'] as { octets: number }
  assert.ok(octets <= 17, `the serial number has ${octets} octets`)
  const allowed = expected.validity.seconds
  if (Array.isArray(allowed)) assert.ok(allowed.includes(seconds), `valid for ${seconds} s`)
  const filled = {
    ...expected,
    serial: { positive: true, octets },
    validity: filledValidity(expected.validity, actual['validity'] as Fields['validity']),
    extensions: expected.extensions.map((extension) => ({
      ...extension,
      value: extension.value
        .replace('<first 20 octets of sha256 of the public key bits>', keyHash(der))
        .replace('<subject key identifier of the issuer>', keyHash(signer.raw)),
    })),
  }
  assert.deepEqual(actual, withoutDecoration(filled))
  assert.ok(new X509Certificate(der).verify(signer.publicKey), 'the signature does not verify')
}

function filledValidity(expected: Fields['validity'], actual: Fields['validity']): Fields['validity'] {
  const fill = (time: Time, found: Time): Time =>
    time.value.startsWith('<') ? { ...time, value: found.value } : time
  const start = now
    .toISOString()
    .replace(/[-:T]|\.\d+/g, '')
    .slice(2)
  return {
    notBefore: { ...expected.notBefore, value: start },
    notAfter: fill(expected.notAfter, actual.notAfter),
    seconds: typeof expected.seconds === 'number' ? expected.seconds : actual.seconds,
  }
}

suite('marble.json', { skip: skipWithoutShared }, () => {
  let issuer: Issuer
  let marbleRoot: X509Certificate
  before(async () => {
    const authority = await createAuthority('P-384', parseAuthorityNames('localhost'), now)
    issuer = importIssuer(authority)
    marbleRoot = new X509Certificate(authority.marbleRootCertificate)
  })

  async function activate(recorded: MarbleCase): Promise<Uint8Array> {
    const uuid = parseMarbleUuid(recorded.uuid)
    const request = await CertificateRequest.verify(Buffer.from(recorded.csrDer, 'hex'))
    const { publicKey } = await generateKeyPair('P-384')
    return await issueMarbleCertificate(issuer, request, { ...recorded, uuid, publicKey }, now)
  }

  for (const recorded of cases('marble') as MarbleCase[]) {
    const { id, expect } = recorded
    const unknownType = isFailure(expect) && expect.error.grpcCode === 'PermissionDenied'
    const skip = unknownType ? 'marble types are looked up by the activation' : false
    test(id, { skip }, async (context) => {
      const difference = differences[id]
      if (difference !== undefined) {
        context.diagnostic(`deliberate difference: ${difference}`)
        await assert.rejects(activate(recorded), { name: 'Refusal', code: 'uuid_invalid' })
      } else if (isFailure(expect)) {
        const code = expect.error.grpcCode === 'InvalidArgument' ? 'uuid_invalid' : 'csr_invalid'
        await assert.rejects(activate(recorded), { name: 'Refusal', code })
      } else {
        compare(await activate(recorded), marbleRoot, expect)
      }
    })
  }
})

/** The definition as decoded, whether or not a value can be made, and whether it could be decoded at all. */
function decode(secret: unknown): { definition: SecretDefinition; isReadable: boolean } {
  const decoded = decodeLeniently(Buffer.from(JSON.stringify({ Secrets: { s: secret } })))
  const definition = secretsOf(decoded, undefined).get('s')
  assert.ok(definition !== undefined)
  return { definition, isReadable: !decoded.report.hasErrors }
}

suite('secrets.json', { skip: skipWithoutShared }, () => {
  let issuer: Issuer
  let marbleRoot: X509Certificate
  before(async () => {
    const authority = await createAuthority('P-384', parseAuthorityNames('localhost'), now)
    issuer = importIssuer(authority)
    marbleRoot = new X509Certificate(authority.marbleRootCertificate)
  })

  const make = (definition: SecretDefinition) =>
    generateCertificateSecret(definition, { issuer, keyPool: { take: generateKeyPair }, now })

  for (const { id, secret, expect } of cases('secrets') as SecretCase[]) {
    const skip = isFailure(expect) ? belongsToManifest(expect) : false
    test(id, { skip }, async (context) => {
      if (id === 'cert-text-not-base64' || id === 'san-uri-null-entry') {
        context.diagnostic('deliberate difference: refused by path when the manifest is set')
        assert.equal(decode(secret).isReadable, false)
        return
      }
      const { definition } = decode(secret)
      const problems = checkSecret(definition, now)
      if (isFailure(expect)) {
        assert.notDeepEqual(problems, [], `passes, but should fail: ${expect.error.reason}`)
        if (definition.type.startsWith('cert-'))
          await assert.rejects(make(definition), { code: 'secret_invalid' })
        return
      }
      assert.deepEqual(problems, [])
      if ('accepted' in expect) return
      const value = await make(definition)
      assert.ok(value.certificate !== undefined)
      compare(value.certificate, marbleRoot, expect)
      assert.deepEqual(privateKeyFields(value.private.reveal()), withoutDecoration(expect.secret?.private))
      const { publicKey } = new X509Certificate(value.certificate)
      assert.deepEqual(publicKey.export({ type: 'spki', format: 'der' }), Buffer.from(value.public.reveal()))
      const privateKey = createPrivateKey({
        key: Buffer.from(value.private.reveal()),
        format: 'der',
        type: 'pkcs8',
      })
      assert.ok(new X509Certificate(value.certificate).checkPrivateKey(privateKey))
      const { returnedDefinition } = expect.secret ?? {}
      if (returnedDefinition !== undefined)
        assert.equal(shownValidFor(definition), returnedDefinition.ValidFor)
    })
  }
})

suite('authority.json', { skip: skipWithoutShared }, () => {
  function compareAuthority(authority: Authority, expected: AuthorityFields): void {
    const root = new X509Certificate(authority.rootCertificate)
    compare(authority.rootCertificate, root, expected.root)
    compare(authority.intermediateCertificate, root, expected.intermediate)
    compare(
      authority.marbleRootCertificate,
      new X509Certificate(authority.marbleRootCertificate),
      expected.marbleRoot,
    )
  }

  for (const { id, dnsNames, expect, afterPackageUpdate, afterFullUpdate } of cases(
    'authority',
  ) as AuthorityCase[]) {
    test(id, async (context) => {
      if (isFailure(expect)) {
        assert.throws(() => parseAuthorityNames(dnsNames ?? undefined), /outside ASCII/)
        return
      }
      const authority = await createAuthority('P-384', parseAuthorityNames(dnsNames ?? undefined), now)
      compareAuthority(authority, expect)
      for (const after of [afterPackageUpdate, afterFullUpdate]) {
        if (after === undefined) continue
        const renewed = await renewIntermediate(authority, authorityNames(authority), now)
        assert.equal(renewed.rootCertificate, authority.rootCertificate)
        assert.notDeepEqual(renewed.intermediateKey.reveal(), authority.intermediateKey.reveal())
        if (after === afterPackageUpdate && id === 'ca-names-and-ips') {
          context.diagnostic('deliberate difference: a package update keeps all IP addresses')
        }
        // All names are kept, as the original does in a full update only.
        compareAuthority(renewed, expect)
      }
    })
  }
})
