import { collateralSchema, infrastructureSchema, packageSchema } from './package-schema.ts'

/**
 * JSON Schema (2020-12) of the manifest, for editors: what users should write, in its canonical spelling.
 *
 * The Coordinator takes more than this (names without case, null for what is absent, unknown members), and checks
 * much that no schema can say; what it refuses is decided there alone.
 */

type Schema = Readonly<Record<string, unknown>>

const text: Schema = { type: 'string' }
const texts: Schema = { type: 'array', items: text }
const flag: Schema = { type: 'boolean' }
const unsigned: Schema = { type: 'integer', minimum: 0 }
const integer: Schema = { type: 'integer' }
const integers: Schema = { type: 'array', items: integer }
const oid: Schema = { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 2 }
const dottedOid: Schema = { type: 'string', pattern: String.raw`^[012](\.[0-9]+)+$` }
const time: Schema = { type: 'string', format: 'date-time' }
const ipAddress: Schema = {
  anyOf: [
    { type: 'string', format: 'ipv4' },
    { type: 'string', format: 'ipv6' },
  ],
}
const bytes: Schema = {
  anyOf: [
    { type: 'string', contentEncoding: 'base64' },
    { type: 'array', items: { type: 'integer', minimum: 0, maximum: 255 } },
  ],
}

const list = (items: Schema): Schema => ({ type: 'array', items })
const mapOf = (entry: Schema): Schema => ({ type: 'object', additionalProperties: entry })
const object = (properties: Record<string, Schema>, keywords: Schema = {}): Schema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...keywords,
})
const described = (description: string, schema: Schema): Schema => ({ ...schema, description })

const parameterValue: Schema = {
  anyOf: [
    text,
    object(
      { Data: text, Encoding: { enum: ['string', 'base64', 'hex'] }, NoTemplates: flag },
      { required: ['Data'] },
    ),
  ],
}

const marble = object(
  {
    Package: described('Name of an entry of Packages', text),
    MaxActivations: described('0 or absent: no limit', unsigned),
    Parameters: object({
      Files: described('Contents by path; may hold placeholders', mapOf(parameterValue)),
      Env: described('Values by name; may hold placeholders', mapOf(parameterValue)),
      Argv: texts,
    }),
    TLS: described('Names of entries of TLS', texts),
    DisableSecretBinding: described('Derive private keys without the marble type', flag),
    AllowedNames: described(
      'DNS names (also *.example), IP addresses and ranges that its certificates may have; absent: any',
      texts,
    ),
  },
  { required: ['Package'] },
)

const attribute = object({ Type: oid, Value: text }, { required: ['Type', 'Value'] })
const distinguishedName = object({
  Country: texts,
  Organization: texts,
  OrganizationalUnit: texts,
  Locality: texts,
  Province: texts,
  StreetAddress: texts,
  PostalCode: texts,
  SerialNumber: text,
  CommonName: text,
  ExtraNames: list(attribute),
})
const uri = object({
  Scheme: text,
  Opaque: text,
  User: object({}),
  Host: text,
  Path: text,
  RawPath: text,
  OmitHost: flag,
  ForceQuery: flag,
  RawQuery: text,
  Fragment: text,
  RawFragment: text,
})
const ipRanges = list(object({ IP: ipAddress, Mask: bytes }, { required: ['IP', 'Mask'] }))

/** The members that have an effect. */
const certificateTemplate = object({
  Subject: distinguishedName,
  RawSubject: bytes,
  NotAfter: time,
  KeyUsage: integer,
  ExtKeyUsage: integers,
  UnknownExtKeyUsage: list(oid),
  IsCA: flag,
  MaxPathLen: integer,
  MaxPathLenZero: flag,
  SubjectKeyId: bytes,
  AuthorityKeyId: bytes,
  DNSNames: texts,
  EmailAddresses: texts,
  IPAddresses: list(ipAddress),
  URIs: list(uri),
  PermittedDNSDomainsCritical: flag,
  PermittedDNSDomains: texts,
  ExcludedDNSDomains: texts,
  PermittedIPRanges: ipRanges,
  ExcludedIPRanges: ipRanges,
  PermittedEmailAddresses: texts,
  ExcludedEmailAddresses: texts,
  PermittedURIDomains: texts,
  ExcludedURIDomains: texts,
  OCSPServer: texts,
  IssuingCertificateURL: texts,
  CRLDistributionPoints: texts,
  Policies: list(dottedOid),
  ExtraExtensions: list(object({ Id: oid, Critical: flag, Value: bytes }, { required: ['Id'] })),
  SignatureAlgorithm: integer,
})

const secret = object(
  {
    Type: { enum: ['symmetric-key', 'cert-rsa', 'cert-ecdsa', 'cert-ed25519', 'plain'] },
    Size: described('Bits', unsigned),
    Shared: described('One value for all marbles, made when the manifest is set', flag),
    UserDefined: described('Uploaded by a user', flag),
    ValidFor: described('Days; not together with Cert.NotAfter', unsigned),
    Cert: described('Template of the certificate, or a certificate as base64 DER', {
      anyOf: [certificateTemplate, { type: 'string', contentEncoding: 'base64' }],
    }),
  },
  { required: ['Type'] },
)

const port: Schema = { type: 'string', pattern: '^[1-9][0-9]{0,4}$' }
const incoming = object({ Port: port, Cert: text, DisableClientAuth: flag }, { required: ['Port'] })
const outgoing = object(
  { Addr: { type: 'string', minLength: 1 }, Port: port },
  { required: ['Addr', 'Port'] },
)

const config = object({
  SealMode: { enum: ['', 'ProductKey', 'UniqueKey', 'Disabled'] },
  FeatureGates: list({ enum: ['SignQuoteEndpoint', 'MonotonicCounter'] }),
  UpdateThreshold: described('Users who must agree to a manifest update; 0: all', unsigned),
  RecoveryThreshold: described('Recovery keys needed; 0: all', unsigned),
  RotateRootSecret: flag,
  MinimumCurve: { enum: ['P-256', 'P-384'] },
  Collateral: described(
    "What vouches for marbles' evidence: TCB info, QE identities, revocation lists",
    collateralSchema,
  ),
})

export const manifestSchema: Schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Manifest',
  ...object(
    {
      $schema: text,
      Packages: described('What workloads must prove', { ...mapOf(packageSchema), minProperties: 1 }),
      Infrastructures: described(
        'What platforms must prove; one of them must be satisfied',
        mapOf(infrastructureSchema),
      ),
      Marbles: described('Kinds of workloads', { ...mapOf(marble), minProperties: 1 }),
      Secrets: mapOf(secret),
      Users: mapOf(
        object({ Certificate: described('PEM', text), Roles: texts }, { required: ['Certificate'] }),
      ),
      Roles: mapOf(
        object(
          {
            ResourceType: { enum: ['Packages', 'Secrets', 'Manifest'] },
            ResourceNames: texts,
            Actions: list({ enum: ['UpdateSecurityVersion', 'ReadSecret', 'WriteSecret', 'UpdateManifest'] }),
          },
          { required: ['ResourceType'] },
        ),
      ),
      RecoveryKeys: described('RSA public keys by party, PEM', mapOf(text)),
      TLS: described(
        'Connections that marbles wrap in TLS',
        mapOf(object({ Incoming: list(incoming), Outgoing: list(outgoing) })),
      ),
      Config: config,
    },
    { required: ['Packages', 'Marbles'] },
  ),
}
