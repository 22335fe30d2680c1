import type { CertificateTemplate, ExtraExtension } from '../manifest/model.ts'
import type { Digest } from './curve.ts'
import { element, tag } from './der.ts'
import { DerError } from './der-reader.ts'
import { checkReadable } from './extension-values.ts'
import {
  authorityInfoAccess,
  basicConstraints,
  certificatePolicies,
  crlDistributionPoints,
  encodeExtension,
  extKeyUsage,
  hasNames,
  keyUsage,
  keyUsageBit,
  nameConstraints,
  purposeByNumber,
  serverAndClientAuth,
  subjectAltName,
} from './extensions.ts'
import {
  dottedIdentifier,
  encodeObjectIdentifier,
  extension,
  parseDottedIdentifier,
} from './object-identifier.ts'
import type { KnownIdentifier } from './object-identifier.ts'
import { readableIdentifier } from './template-identifier.ts'
import { templateConstraints, templateNames } from './template-names.ts'
import type { ReportProblem, TemplateProblem } from './template-problem.ts'
import { templateSubject } from './template-subject.ts'

/** What follows from a template alone: everything but times, serial number, key and issuer. */
export interface CompiledTemplate {
  /** If there are any, nothing can be issued, and the rest is not to be used. */
  readonly problems: readonly TemplateProblem[]
  /** DER of the Name. */
  readonly subject: Uint8Array
  /** Undefined: the issuer's. */
  readonly digest: Digest | undefined
  /** DER of the extensions before the key identifiers. */
  readonly leading: readonly Uint8Array[]
  /** `of-key`: it is derived from the key; undefined: the certificate has none, or an extra extension holds it. */
  readonly subjectKeyId: Uint8Array | 'of-key' | undefined
  /** True when an extra extension holds the authority key identifier. */
  readonly overridesAuthorityKeyId: boolean
  /** For a subject that is the issuer's, else without effect; undefined: none. */
  readonly authorityKeyId: Uint8Array | undefined
  /** DER of the extensions behind the key identifiers. */
  readonly trailing: readonly Uint8Array[]
}

/** `DNSNames` of a certificate for which the manifest gives none. */
const defaultDnsNames: readonly string[] = ['localhost']

/**
 * Checks a template, and encodes what follows from it alone.
 *
 * Order and overriding as recorded (golden/certificates): an extra extension replaces the ordinary one of its type,
 * whose members are then not looked at, and stands at the end.
 */
export function compileTemplate(template: CertificateTemplate): CompiledTemplate {
  const problems: TemplateProblem[] = []
  const report: ReportProblem = (path, message) => {
    problems.push({ path: ['Cert', ...path.map(String)], message })
  }
  const extra = extraExtensions(template.extraExtensions, report)
  const isOverridden = ({ dotted }: KnownIdentifier): boolean => extra.has(dotted)
  const unlessOverridden = (type: KnownIdentifier, encode: () => Uint8Array | undefined): Uint8Array[] => {
    const encoded = isOverridden(type) ? undefined : encode()
    return encoded === undefined ? [] : [encoded]
  }

  checkPathLength(template, report)
  const dnsNames = template.dnsNames ?? defaultDnsNames
  const subject = templateSubject(template, dnsNames, report)
  return {
    problems,
    subject,
    digest: signatureDigest(template.signatureAlgorithm, report),
    leading: [
      ...unlessOverridden(extension.keyUsage, () =>
        template.keyUsage === 0 ? defaultKeyUsage : keyUsage(template.keyUsage),
      ),
      ...unlessOverridden(extension.extKeyUsage, () => purposes(template, report)),
      ...unlessOverridden(extension.basicConstraints, () =>
        template.isCa ? basicConstraints(true, pathLength(template)) : noAuthority,
      ),
    ],
    subjectKeyId: isOverridden(extension.subjectKeyIdentifier) ? undefined : subjectKeyId(template),
    overridesAuthorityKeyId: isOverridden(extension.authorityKeyIdentifier),
    authorityKeyId: nonEmpty(template.authorityKeyId),
    trailing: [
      ...unlessOverridden(extension.authorityInfoAccess, () => accessLocations(template)),
      ...unlessOverridden(extension.subjectAltName, () =>
        alternativeNames(template, dnsNames, subject, report),
      ),
      ...unlessOverridden(extension.certificatePolicies, () => policies(template.policies, report)),
      ...unlessOverridden(extension.nameConstraints, () => constraints(template, report)),
      ...unlessOverridden(extension.crlDistributionPoints, () => distributionPoints(template)),
      ...extra.values(),
    ],
  }
}

const nonEmpty = (octets: Uint8Array | undefined): Uint8Array | undefined =>
  octets === undefined || octets.length === 0 ? undefined : octets

/** Key usage of a certificate for which the manifest gives none, or 0. */
const defaultKeyUsage = keyUsage(keyUsageBit.digitalSignature | keyUsageBit.certSign)

const noAuthority = basicConstraints(false)

function subjectKeyId(template: CertificateTemplate): Uint8Array | 'of-key' | undefined {
  return nonEmpty(template.subjectKeyId) ?? (template.isCa ? 'of-key' : undefined)
}

/** Go's rule: -1 stands for none, as does 0 unless `MaxPathLenZero` is set. */
function pathLength({ maxPathLen, maxPathLenZero }: CertificateTemplate): number | undefined {
  return maxPathLen > 0 || (maxPathLen === 0 && maxPathLenZero) ? maxPathLen : undefined
}

function checkPathLength(
  { isCa, maxPathLen, maxPathLenZero }: CertificateTemplate,
  report: ReportProblem,
): void {
  // The number that stands in the manifest could not be kept: another one would stand in the certificate.
  if (maxPathLen > Number.MAX_SAFE_INTEGER)
    report(['MaxPathLen'], `is longer than any chain; the most is ${Number.MAX_SAFE_INTEGER}`)
  else if (maxPathLen < -1)
    report(['MaxPathLen'], `is ${maxPathLen}; the least is -1, which stands for no limit`)
  else if (!isCa && maxPathLen > 0)
    report(['MaxPathLen'], `is ${maxPathLen}, but only with IsCA it may be given`)
  else if (!isCa && maxPathLen === 0 && maxPathLenZero) report(['MaxPathLenZero'], 'is true, but IsCA is not')
}

/** Go's numbers of the algorithms that an ECDSA key can sign with (spec/secrets.md, recordings `sigalg-*`). */
const ecdsaDigests = new Map<number, Digest>([
  [9, 'sha1'],
  [10, 'sha256'],
  [11, 'sha384'],
  [12, 'sha512'],
])

function signatureDigest(number: number, report: ReportProblem): Digest | undefined {
  const digest = ecdsaDigests.get(number)
  if (digest === undefined && number !== 0) {
    report(
      ['SignatureAlgorithm'],
      `is ${number}, but the Coordinator signs with ECDSA: leave it out, or give 10 (SHA-256), 11 (SHA-384), ` +
        '12 (SHA-512) or 9 (SHA-1)',
    )
  }
  return digest
}

function purposes(template: CertificateTemplate, report: ReportProblem): Uint8Array | undefined {
  if (template.extKeyUsage === undefined && template.unknownExtKeyUsage.length === 0)
    return serverAndClientAuth
  const known = (template.extKeyUsage ?? [1, 2]).flatMap((number, index) => {
    const purpose = purposeByNumber(number)
    if (purpose === undefined)
      report(['ExtKeyUsage', index], `is ${number}, but the purposes are numbered 0 to 13`)
    return purpose ?? []
  })
  const unknown = template.unknownExtKeyUsage.flatMap((arcs, index) => {
    const contents = readableIdentifier(arcs, ['UnknownExtKeyUsage', index], report)
    return contents === undefined ? [] : element(tag.objectIdentifier, contents)
  })
  const all = [...known, ...unknown]
  return all.length === 0 ? undefined : extKeyUsage(all)
}

function alternativeNames(
  template: CertificateTemplate,
  dnsNames: readonly string[],
  subject: Uint8Array,
  report: ReportProblem,
): Uint8Array | undefined {
  const names = templateNames(template, dnsNames, report)
  // An empty SEQUENCE: 30 00.
  return hasNames(names) ? subjectAltName(names, subject.length === 2) : undefined
}

function accessLocations({ ocspServer, issuingCertificateUrl }: CertificateTemplate): Uint8Array | undefined {
  const isEmpty = ocspServer.length + issuingCertificateUrl.length === 0
  return isEmpty ? undefined : authorityInfoAccess(ocspServer, issuingCertificateUrl)
}

function policies(dotted: readonly string[], report: ReportProblem): Uint8Array | undefined {
  const encoded = new Map<string, Uint8Array>()
  for (const [index, text] of dotted.entries()) {
    const contents = encodeObjectIdentifier(parseDottedIdentifier(text) ?? [])
    if (contents === undefined) {
      report(['Policies', index], `"${text}" is no object identifier like "2.5.29.32.0"`)
      continue
    }
    const canonical = dottedIdentifier(contents)
    if (encoded.has(canonical)) report(['Policies', index], `"${text}" is given twice`)
    encoded.set(canonical, contents)
  }
  return encoded.size === 0 ? undefined : certificatePolicies([...encoded.values()])
}

function constraints(template: CertificateTemplate, report: ReportProblem): Uint8Array | undefined {
  const found = templateConstraints(template, report)
  const isEmpty = Object.values(found).every((list) => list.length === 0)
  return isEmpty ? undefined : nameConstraints(found, template.permittedDnsDomainsCritical)
}

const distributionPoints = ({ crlDistributionPoints: uris }: CertificateTemplate): Uint8Array | undefined =>
  uris.length === 0 ? undefined : crlDistributionPoints(uris)

/** DER of the extensions by their dotted types, in the given order. */
function extraExtensions(
  extensions: readonly ExtraExtension[],
  report: ReportProblem,
): ReadonlyMap<string, Uint8Array> {
  const encoded = new Map<string, Uint8Array>()
  for (const [index, { id, critical, value }] of extensions.entries()) {
    const path = ['ExtraExtensions', index]
    const contents = readableIdentifier(id, [...path, 'Id'], report)
    if (contents === undefined) continue
    const dotted = dottedIdentifier(contents)
    if (encoded.has(dotted)) report([...path, 'Id'], `${dotted} is given twice`)
    checkValue({ dotted, critical, value }, [...path, 'Value'], report)
    encoded.set(dotted, encodeExtension(element(tag.objectIdentifier, contents), critical, value))
  }
  return encoded
}

function checkValue(
  { dotted, critical, value }: { dotted: string; critical: boolean; value: Uint8Array },
  path: readonly (string | number)[],
  report: ReportProblem,
): void {
  try {
    checkReadable(dotted, critical, value)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    report(path, `the extension ${dotted} can't be read back: ${error.message}`)
  }
}
