import type { FieldValue } from '@taw/protocol'
import type { CertificateTemplate } from '../model.ts'

/** Names as in Go's `x509.Certificate`, which manifests use. */
const names = {
  subject: 'Subject',
  rawSubject: 'RawSubject',
  notAfter: 'NotAfter',
  keyUsage: 'KeyUsage',
  extKeyUsage: 'ExtKeyUsage',
  unknownExtKeyUsage: 'UnknownExtKeyUsage',
  isCa: 'IsCA',
  maxPathLen: 'MaxPathLen',
  maxPathLenZero: 'MaxPathLenZero',
  subjectKeyId: 'SubjectKeyId',
  authorityKeyId: 'AuthorityKeyId',
  dnsNames: 'DNSNames',
  emailAddresses: 'EmailAddresses',
  ipAddresses: 'IPAddresses',
  uris: 'URIs',
  permittedDnsDomainsCritical: 'PermittedDNSDomainsCritical',
  permittedDnsDomains: 'PermittedDNSDomains',
  excludedDnsDomains: 'ExcludedDNSDomains',
  permittedIpRanges: 'PermittedIPRanges',
  excludedIpRanges: 'ExcludedIPRanges',
  permittedEmailAddresses: 'PermittedEmailAddresses',
  excludedEmailAddresses: 'ExcludedEmailAddresses',
  permittedUriDomains: 'PermittedURIDomains',
  excludedUriDomains: 'ExcludedURIDomains',
  ocspServer: 'OCSPServer',
  issuingCertificateUrl: 'IssuingCertificateURL',
  crlDistributionPoints: 'CRLDistributionPoints',
  policies: 'Policies',
  extraExtensions: 'ExtraExtensions',
  signatureAlgorithm: 'SignatureAlgorithm',
} as const satisfies Record<keyof CertificateTemplate, string>

/** `Cert.<name>` → value, of all members that are given. */
export function certificateFields(
  template: CertificateTemplate | undefined,
): Readonly<Record<string, FieldValue | undefined>> {
  if (template === undefined) return {}
  const fields: Record<string, FieldValue | undefined> = {}
  for (const [key, name] of Object.entries(names)) {
    const value = Object.entries(template).find(([member]) => member === key)?.[1] as unknown
    const shown = show(value)
    // An empty list is not an absent one here: Go's defaults stand in for the latter alone.
    if (shown !== undefined && !isUnset(shown)) fields[`Cert.${name}`] = shown
  }
  return fields
}

const isUnset = (value: FieldValue): boolean =>
  value === false ||
  value === 0 ||
  value === '' ||
  (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0)

/** Octets as hex, times in seconds since 1970, object identifiers dotted. */
function show(value: unknown): FieldValue | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value
    if (items.length > 0 && items.every((item) => typeof item === 'bigint')) return items.join('.')
    return items.map((item) => show(item) ?? '')
  }
  const members: Record<string, FieldValue> = {}
  for (const [name, member] of Object.entries(value)) {
    const shown = show(member)
    if (shown === undefined || isUnset(shown) || (Array.isArray(shown) && shown.length === 0)) continue
    members[name.charAt(0).toUpperCase() + name.slice(1)] = shown
  }
  return members
}
