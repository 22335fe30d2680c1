import type { CertificateTemplate, SecretDefinition } from '../manifest/model.ts'
import { Refusal } from '../refusal.ts'
import type { Issuer } from './authority.ts'
import { issueCertificate, type CertificateContents } from './certificate.ts'
import { compileTemplate, type CompiledTemplate } from './compiled-template.ts'
import { emptyTemplate } from './empty-template.ts'
import { authorityKeyIdentifier, keyIdentifier, subjectKeyIdentifier } from './extensions.ts'
import type { TemplateProblem } from './template-problem.ts'
import { epochSeconds, isRepresentable, zeroTime, type Validity } from './time.ts'

/** Days that a generated certificate lives when the manifest doesn't say. */
export const defaultValidForDays = 365

const secondsPerDay = 86_400

/**
 * Tells why no certificate can be made for a secret; empty when it can. The very code that issues finds it out, so
 * what passes here can be issued (as long as `ValidFor` doesn't lead beyond the year 9999 meanwhile).
 *
 * Secrets that are not generated, or are no certificates, have no problems.
 */
export function checkCertificateTemplate(
  definition: SecretDefinition,
  now: Date,
): readonly TemplateProblem[] {
  if (definition.userDefined || !isCertificate(definition)) return []
  // Not kept: of a manifest's secrets a marble names few.
  const { problems } = compileTemplate(definition.certificate ?? emptyTemplate)
  return [...problems, ...validityProblems(definition, now)]
}

const isCertificate = ({ type }: SecretDefinition): boolean => type.startsWith('cert-')

/**
 * Issues the certificate of a generated secret.
 *
 * @param publicKey SubjectPublicKeyInfo DER of the secret's key.
 * @returns DER
 * @throws Refusal `secret_invalid` when {@link checkCertificateTemplate} finds a problem.
 */
export async function issueSecretCertificate(
  issuer: Issuer,
  definition: SecretDefinition,
  publicKey: Uint8Array,
  now: Date,
): Promise<Uint8Array> {
  const [problem] = [...compiled(definition.certificate).problems, ...validityProblems(definition, now)]
  if (problem !== undefined) {
    throw new Refusal(
      'secret_invalid',
      `The certificate of a secret can't be made: ${problem.path.join('.')} ${problem.message}. Change the manifest.`,
    )
  }
  const contents = secretCertificateContents(issuer, definition, publicKey, now)
  return await issueCertificate(issuer, contents, compiled(definition.certificate).digest)
}

/** What the certificate of a secret says, for a definition that {@link checkCertificateTemplate} lets pass. */
export function secretCertificateContents(
  issuer: Pick<Issuer, 'name' | 'authorityKeyIdentifier'>,
  definition: Pick<SecretDefinition, 'certificate' | 'validFor'>,
  publicKey: Uint8Array,
  now: Date,
): CertificateContents {
  const template = compiled(definition.certificate)
  return {
    subject: template.subject,
    validity: validity(definition, now),
    publicKey,
    extensions: [
      ...template.leading,
      ...subjectIdentifier(template, publicKey),
      ...authorityIdentifier(template, issuer),
      ...template.trailing,
    ],
  }
}

/** `ValidFor` as users and templates see it: a generated certificate without an end shows the default. */
export function shownValidFor(definition: SecretDefinition): number {
  const { validFor, userDefined, certificate } = definition
  const isDefault =
    isCertificate(definition) && !userDefined && validFor === 0 && givenEnd(certificate) === undefined
  return isDefault ? defaultValidForDays : validFor
}

function subjectIdentifier({ subjectKeyId }: CompiledTemplate, publicKey: Uint8Array): readonly Uint8Array[] {
  if (subjectKeyId === undefined) return []
  return [subjectKeyIdentifier(subjectKeyId === 'of-key' ? keyIdentifier(publicKey) : subjectKeyId)]
}

/** A subject that is the issuer's makes the certificate look self-signed: it then has what the template gives. */
function authorityIdentifier(
  template: CompiledTemplate,
  issuer: Pick<Issuer, 'name' | 'authorityKeyIdentifier'>,
): readonly Uint8Array[] {
  if (template.overridesAuthorityKeyId) return []
  if (Buffer.compare(template.subject, issuer.name) !== 0) return [issuer.authorityKeyIdentifier]
  return template.authorityKeyId === undefined ? [] : [authorityKeyIdentifier(template.authorityKeyId)]
}

function validity(
  { certificate, validFor }: Pick<SecretDefinition, 'certificate' | 'validFor'>,
  now: Date,
): Validity {
  const notBefore = epochSeconds(now)
  const days = validFor === 0 ? defaultValidForDays : validFor
  return { notBefore, notAfter: givenEnd(certificate) ?? notBefore + days * secondsPerDay }
}

/** Seconds since 1970; Go's zero time counts as absent. */
function givenEnd(template: CertificateTemplate | undefined): number | undefined {
  const end = template?.notAfter?.epochSeconds
  return end === zeroTime ? undefined : end
}

function validityProblems(definition: SecretDefinition, now: Date): readonly TemplateProblem[] {
  if (isRepresentable({ epochSeconds: validity(definition, now).notAfter })) return []
  const member = givenEnd(definition.certificate) === undefined ? ['ValidFor'] : ['Cert', 'NotAfter']
  return [
    { path: member, message: 'leads out of the years 0 to 9999, which are all that a certificate can name' },
  ]
}

/** Of the templates that were issued from: the same marbles come again and again. */
const compiledTemplates = new WeakMap<CertificateTemplate, CompiledTemplate>()

function compiled(template: CertificateTemplate | undefined): CompiledTemplate {
  const source = template ?? emptyTemplate
  const known = compiledTemplates.get(source)
  if (known !== undefined) return known
  const made = compileTemplate(source)
  compiledTemplates.set(source, made)
  return made
}
