import { zeroTime } from '../pki/time.ts'
import type { CertificateRecord, NameRecord } from './certificate-shape.ts'
import type { JsonValue } from './json.ts'
import type { CertificateTemplate, DistinguishedName } from './model.ts'

/** The certificate template that the members of `Secrets.<name>.Cert` describe. */
export function certificateTemplate(source: CertificateRecord): CertificateTemplate {
  return {
    subject: distinguishedName(source.Subject),
    rawSubject: source.RawSubject,
    notAfter: source.NotAfter?.epochSeconds === zeroTime ? undefined : source.NotAfter,
    // The original cuts Go's int to the 16 bits that the extension's encoder looks at.
    keyUsage: cutKeyUsage(source.KeyUsage ?? 0n),
    extKeyUsage: source.ExtKeyUsage?.map(Number),
    unknownExtKeyUsage: source.UnknownExtKeyUsage ?? [],
    isCa: source.IsCA ?? false,
    maxPathLen: Number(source.MaxPathLen ?? 0n),
    maxPathLenZero: source.MaxPathLenZero ?? false,
    subjectKeyId: source.SubjectKeyId,
    authorityKeyId: source.AuthorityKeyId,
    dnsNames: source.DNSNames,
    emailAddresses: source.EmailAddresses ?? [],
    ipAddresses: source.IPAddresses,
    uris: source.URIs ?? [],
    ...nameConstraints(source),
    ocspServer: source.OCSPServer ?? [],
    issuingCertificateUrl: source.IssuingCertificateURL ?? [],
    crlDistributionPoints: source.CRLDistributionPoints ?? [],
    policies: source.Policies ?? [],
    extraExtensions: (source.ExtraExtensions ?? []).map(({ Id, Critical, Value }) => ({
      id: Id ?? [],
      critical: Critical ?? false,
      value: Value ?? new Uint8Array(),
    })),
    signatureAlgorithm: Number(source.SignatureAlgorithm ?? 0n),
  }
}

function nameConstraints(source: CertificateRecord) {
  return {
    permittedDnsDomainsCritical: source.PermittedDNSDomainsCritical ?? false,
    permittedDnsDomains: source.PermittedDNSDomains ?? [],
    excludedDnsDomains: source.ExcludedDNSDomains ?? [],
    permittedIpRanges: (source.PermittedIPRanges ?? []).map(ipRange),
    excludedIpRanges: (source.ExcludedIPRanges ?? []).map(ipRange),
    permittedEmailAddresses: source.PermittedEmailAddresses ?? [],
    excludedEmailAddresses: source.ExcludedEmailAddresses ?? [],
    permittedUriDomains: source.PermittedURIDomains ?? [],
    excludedUriDomains: source.ExcludedURIDomains ?? [],
  }
}

function ipRange({
  IP,
  Mask,
}: {
  readonly IP: Uint8Array | undefined
  readonly Mask: Uint8Array | undefined
}) {
  return { ip: IP ?? new Uint8Array(), mask: Mask ?? new Uint8Array() }
}

function distinguishedName(source: NameRecord | undefined): DistinguishedName {
  return {
    country: source?.Country ?? [],
    organization: source?.Organization ?? [],
    organizationalUnit: source?.OrganizationalUnit ?? [],
    locality: source?.Locality ?? [],
    province: source?.Province ?? [],
    streetAddress: source?.StreetAddress ?? [],
    postalCode: source?.PostalCode ?? [],
    serialNumber: source?.SerialNumber ?? '',
    commonName: source?.CommonName ?? '',
    extraNames: (source?.ExtraNames ?? []).map(({ Type, Value }) => ({
      type: Type ?? [],
      value: attributeValue(Value),
    })),
  }
}

/** Text comes as text. Nothing else can stand in a certificate; what is in arrays and objects is not kept. */
function attributeValue(value: JsonValue | undefined): unknown {
  switch (value?.kind) {
    case 'string':
    case 'boolean':
      return value.value
    case 'number':
      return Number(value.text)
    case 'array':
      return []
    case 'object':
      return {}
    case 'null':
    case undefined:
      return null
  }
}

/** A number that is not 0 but has none of the 16 bits writes an empty set, where 0 stands for the default. */
function cutKeyUsage(keyUsage: bigint): number {
  const bits = Number(BigInt.asUintN(16, keyUsage))
  return bits === 0 && keyUsage !== 0n ? 0x1_0000 : bits
}
