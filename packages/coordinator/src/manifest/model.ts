import type { CollateralPolicy, InfrastructurePolicy, PackagePolicy } from '@taw/attestation'

export type { InfrastructurePolicy, PackagePolicy }

/**
 * The manifest as the rest of the Coordinator sees it: decoded, with defaults applied and every check passed.
 * The raw bytes stay the source of truth (they are hashed, signed and returned); this model is derived from them.
 */
export interface Manifest {
  readonly packages: ReadonlyMap<string, PackagePolicy>
  readonly infrastructures: ReadonlyMap<string, InfrastructurePolicy>
  readonly marbles: ReadonlyMap<string, MarbleDefinition>
  readonly secrets: ReadonlyMap<string, SecretDefinition>
  readonly users: ReadonlyMap<string, UserDefinition>
  readonly roles: ReadonlyMap<string, RoleDefinition>
  /** PEM `PUBLIC KEY` text of each recovery party, as given. */
  readonly recoveryKeys: ReadonlyMap<string, string>
  readonly tls: ReadonlyMap<string, TlsTag>
  readonly config: ManifestConfig
}

export interface MarbleDefinition {
  readonly package: string
  /** 0: no limit. */
  readonly maxActivations: number
  readonly disableSecretBinding: boolean
  /** What its certificates may be valid for (`pki/allowed-names.ts`); undefined: whatever a marble asks for. */
  readonly allowedNames: readonly string[] | undefined
  /** Names of TLS tags. */
  readonly tls: readonly string[]
  readonly files: ReadonlyMap<string, ParameterValue>
  readonly env: ReadonlyMap<string, ParameterValue>
  readonly argv: readonly string[]
}

/** One value of `Parameters.Files` or `Parameters.Env`. */
export interface ParameterValue {
  /** Decoded from the value's `Encoding`: the template's source, or the bytes themselves. */
  readonly data: Uint8Array
  /** False: `data` is passed through untouched. */
  readonly isTemplate: boolean
}

export type SecretType = 'symmetric-key' | 'cert-rsa' | 'cert-ecdsa' | 'cert-ed25519' | 'plain'

/** What the manifest says about a secret; its value is a {@link SecretValue} of its own. */
export interface SecretDefinition {
  readonly type: SecretType
  /** Bits. 0: not given. */
  readonly size: number
  readonly shared: boolean
  readonly userDefined: boolean
  /** Days. 0: not given. */
  readonly validFor: number
  /** The X.509 template, undefined when the manifest gives none. */
  readonly certificate: CertificateTemplate | undefined
}

export interface UserDefinition {
  /** DER of the certificate that identifies the user. */
  readonly certificate: Uint8Array
  readonly roles: readonly string[]
}

export type ResourceType = 'Packages' | 'Secrets' | 'Manifest'
export type Action = 'UpdateSecurityVersion' | 'ReadSecret' | 'WriteSecret' | 'UpdateManifest'

export interface RoleDefinition {
  readonly resourceType: ResourceType
  readonly resourceNames: readonly string[]
  readonly actions: readonly Action[]
}

export interface TlsTag {
  readonly incoming: readonly TlsIncoming[]
  readonly outgoing: readonly TlsOutgoing[]
}

export interface TlsIncoming {
  readonly port: string
  /** Name of a secret; undefined: the marble's own certificate. */
  readonly cert: string | undefined
  readonly disableClientAuth: boolean
}

export interface TlsOutgoing {
  readonly addr: string
  readonly port: string
}

export type SealMode = 'ProductKey' | 'UniqueKey' | 'Disabled'
export type FeatureGate = 'SignQuoteEndpoint' | 'MonotonicCounter' | 'AzureHSMSealing'

export interface ManifestConfig {
  readonly sealMode: SealMode
  readonly featureGates: ReadonlySet<FeatureGate>
  readonly updateThreshold: number
  readonly recoveryThreshold: number
  readonly rotateRootSecret: boolean
  /** The weakest curve that the Coordinator's own PKI may use; undefined: any. */
  readonly minimumCurve: 'P-256' | 'P-384' | undefined
  /** How recent the collateral of marbles' evidence must be, and what is forgiven about it. */
  readonly collateral: CollateralPolicy
}

/**
 * The members of `Secrets.<name>.Cert` that have an effect, named as in Go's `x509.Certificate`.
 * Undefined and empty lists differ where Go's defaults do: see `pki/secret-certificate.ts`.
 */
export interface CertificateTemplate {
  readonly subject: DistinguishedName
  /** DER of a Name that replaces `subject`. */
  readonly rawSubject: Uint8Array | undefined
  readonly notAfter: CertificateTime | undefined
  /** Go's bit set (spec/secrets.md), already cut to 16 bits; 0x1_0000: none of them, though the number given is not 0. */
  readonly keyUsage: number
  /** Go's numbering, 0 to 13. */
  readonly extKeyUsage: readonly number[] | undefined
  readonly unknownExtKeyUsage: readonly ObjectIdentifier[]
  readonly isCa: boolean
  readonly maxPathLen: number
  readonly maxPathLenZero: boolean
  readonly subjectKeyId: Uint8Array | undefined
  readonly authorityKeyId: Uint8Array | undefined
  readonly dnsNames: readonly string[] | undefined
  readonly emailAddresses: readonly string[]
  /** 4 or 16 octets each. */
  readonly ipAddresses: readonly Uint8Array[] | undefined
  readonly uris: readonly string[]
  readonly permittedDnsDomainsCritical: boolean
  readonly permittedDnsDomains: readonly string[]
  readonly excludedDnsDomains: readonly string[]
  readonly permittedIpRanges: readonly IpRange[]
  readonly excludedIpRanges: readonly IpRange[]
  readonly permittedEmailAddresses: readonly string[]
  readonly excludedEmailAddresses: readonly string[]
  readonly permittedUriDomains: readonly string[]
  readonly excludedUriDomains: readonly string[]
  readonly ocspServer: readonly string[]
  readonly issuingCertificateUrl: readonly string[]
  readonly crlDistributionPoints: readonly string[]
  /** Dotted OIDs. */
  readonly policies: readonly string[]
  readonly extraExtensions: readonly ExtraExtension[]
  /** Go's numbering of signature algorithms; 0: the issuer's default. */
  readonly signatureAlgorithm: number
}

/** Arcs of an OID; bigint, since Go's arcs are 63-bit integers. */
export type ObjectIdentifier = readonly bigint[]

/** A point in time in whole seconds since 1970; unlike `Date` in JSON it may lie before 1970 or beyond 9999. */
export interface CertificateTime {
  readonly epochSeconds: number
}

export interface IpRange {
  readonly ip: Uint8Array
  readonly mask: Uint8Array
}

export interface ExtraExtension {
  readonly id: ObjectIdentifier
  readonly critical: boolean
  readonly value: Uint8Array
}

/** Subject members of the template, in Go's `pkix.Name` terms. */
export interface DistinguishedName {
  readonly country: readonly string[]
  readonly organization: readonly string[]
  readonly organizationalUnit: readonly string[]
  readonly locality: readonly string[]
  readonly province: readonly string[]
  readonly streetAddress: readonly string[]
  readonly postalCode: readonly string[]
  readonly serialNumber: string
  readonly commonName: string
  readonly extraNames: readonly { readonly type: ObjectIdentifier; readonly value: unknown }[]
}
