import type { CertificateTemplate } from '../manifest/model.ts'
import { extensionValue, readCertificate, type CertificateExtension } from './certificate-reader.ts'
import { emptyTemplate } from './empty-template.ts'
import {
  checkReadable,
  parseAuthorityInfoAccess,
  parseAuthorityKeyIdentifier,
  parseBasicConstraints,
  parseCertificatePolicies,
  parseCrlDistributionPoints,
  parseExtKeyUsage,
  parseKeyUsage,
  parseNameConstraints,
  parseSubjectAltName,
  parseSubjectKeyIdentifier,
} from './extension-values.ts'
import { parseName } from './name.ts'
import { accessMethod, extendedKeyUsages, extension, parseDottedIdentifier } from './object-identifier.ts'
import { parsePublicKey } from './public-key.ts'
import { signatureScheme } from './signature-scheme.ts'

/**
 * The template that a certificate makes when it stands as `Cert` itself: every field that Go's `x509.Certificate` has
 * after reading it, and that has an effect on a new one.
 *
 * The subject is taken over octet by octet, and with the end of validity, key identifiers and policies so is the
 * signature algorithm (one that ECDSA can't make is then refused). Unknown extensions are not taken over.
 *
 * @throws DerError when it is no certificate, or one of its extensions can't be read.
 */
export function templateFromCertificate(der: Uint8Array): CertificateTemplate {
  const { signatureAlgorithm, issuer, validity, subject, publicKey, extensions } = readCertificate(der)
  parseName(issuer, 'the issuer', 'refuse')
  parseName(subject, 'the subject', 'refuse')
  parsePublicKey(publicKey)
  for (const { dotted, isCritical, value } of extensions) checkReadable(dotted, isCritical, value)
  return {
    ...emptyTemplate,
    rawSubject: subject,
    notAfter: { epochSeconds: validity.notAfter },
    signatureAlgorithm: signatureScheme(signatureAlgorithm)?.number ?? 0,
    ...usages(extensions),
    ...authority(extensions),
    ...names(extensions),
    ...locations(extensions),
  }
}

function usages(extensions: readonly CertificateExtension[]) {
  const keyUsage = extensionValue(extensions, extension.keyUsage)
  const purposes = extensionValue(extensions, extension.extKeyUsage)
  const dotted = purposes === undefined ? undefined : parseExtKeyUsage(purposes)
  const numbers = dotted?.map((purpose) => extendedKeyUsages.findIndex((known) => known.dotted === purpose))
  const known = numbers?.filter((number) => number >= 0)
  return {
    keyUsage: keyUsage === undefined ? 0 : parseKeyUsage(keyUsage),
    // A list without entries is absent: so it is in Go after reading.
    extKeyUsage: known === undefined || known.length === 0 ? undefined : known,
    unknownExtKeyUsage: (dotted ?? [])
      .filter((_, index) => numbers?.[index] === -1)
      .map((purpose) => parseDottedIdentifier(purpose) ?? []),
  }
}

function authority(extensions: readonly CertificateExtension[]) {
  const constraints = extensionValue(extensions, extension.basicConstraints)
  const { isCa, maxPathLen } =
    constraints === undefined ? { isCa: false, maxPathLen: 0 } : parseBasicConstraints(constraints)
  const subjectKeyId = extensionValue(extensions, extension.subjectKeyIdentifier)
  const authorityKeyId = extensionValue(extensions, extension.authorityKeyIdentifier)
  return {
    isCa,
    maxPathLen,
    maxPathLenZero: constraints !== undefined && maxPathLen === 0,
    subjectKeyId: subjectKeyId === undefined ? undefined : parseSubjectKeyIdentifier(subjectKeyId),
    authorityKeyId: authorityKeyId === undefined ? undefined : parseAuthorityKeyIdentifier(authorityKeyId),
  }
}

function names(extensions: readonly CertificateExtension[]) {
  const alternative = extensionValue(extensions, extension.subjectAltName)
  const constraints = extensionValue(extensions, extension.nameConstraints)
  const found = alternative === undefined ? undefined : parseSubjectAltName(alternative)
  return {
    // As above: without entries it is absent, and the defaults of generated certificates hold.
    dnsNames: found === undefined || found.dnsNames.length === 0 ? undefined : found.dnsNames,
    ipAddresses: found === undefined || found.ipAddresses.length === 0 ? undefined : found.ipAddresses,
    emailAddresses: found?.emailAddresses ?? [],
    uris: found?.uris ?? [],
    ...(constraints === undefined ? {} : parseNameConstraints(constraints)),
    permittedDnsDomainsCritical: extensions.some(
      ({ dotted, isCritical }) => dotted === extension.nameConstraints.dotted && isCritical,
    ),
  }
}

function locations(extensions: readonly CertificateExtension[]) {
  const access = extensionValue(extensions, extension.authorityInfoAccess)
  const points = extensionValue(extensions, extension.crlDistributionPoints)
  const policies = extensionValue(extensions, extension.certificatePolicies)
  const descriptions = access === undefined ? [] : parseAuthorityInfoAccess(access)
  const uris = (wanted: { readonly dotted: string }): string[] =>
    descriptions.filter(({ method }) => method === wanted.dotted).map(({ uri }) => uri)
  return {
    ocspServer: uris(accessMethod.ocsp),
    issuingCertificateUrl: uris(accessMethod.caIssuers),
    crlDistributionPoints: points === undefined ? [] : parseCrlDistributionPoints(points),
    policies: policies === undefined ? [] : parseCertificatePolicies(policies),
  }
}
