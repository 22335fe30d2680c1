import { createHash, randomBytes } from 'node:crypto'
import { type ClientIdentity, clientIdentity } from '../support/mesh-client.ts'
import { makeParty, type Party } from '../support/recovery-parties.ts'

/** Everybody who takes part; the same over a whole campaign, since RSA keys take long to make. */
export interface People {
  /** Users who may do everything. */
  readonly admins: readonly [ClientIdentity, ClientIdentity]
  /** Of all marbles. */
  readonly marble: ClientIdentity
  readonly parties: readonly [Party, Party, Party]
}

export async function makePeople(): Promise<People> {
  return {
    admins: [await clientIdentity(), await clientIdentity()],
    marble: await clientIdentity(),
    parties: [makeParty('p0'), makeParty('p1'), makeParty('p2')],
  }
}

/** What differs between the manifests of a campaign. */
export interface ManifestChoice {
  /** Users who must agree to an update. */
  readonly updateThreshold: 1 | 2
  /** 0: all three parties; 2: two of them. A change begins a new epoch of the ledger. */
  readonly recoveryThreshold: 0 | 2
  /** `MaxActivations` of the type `limited`. */
  readonly limit: number
  readonly rotates: boolean
}

export interface CampaignManifest extends ManifestChoice {
  readonly raw: Buffer
  /** SHA-256 of `raw`, lower-case hex. */
  readonly fingerprint: string
  /** What marbles of the type `counting` get as GENERATION: one word for each manifest. */
  readonly generation: string
  /** The generation that made the root secret which is in force under this manifest. */
  readonly root: string
  /** The generation with which the recovery secrets were given out that count under this manifest. */
  readonly recovery: string
}

/** Types of marbles; `limited` and `single` have `MaxActivations`. */
export const singleLimit = 1

/** `MaxActivations` of a type; undefined: no limit. */
export function limitOf(manifest: CampaignManifest, marbleType: string): number | undefined {
  if (marbleType === 'single') return singleLimit
  return marbleType === 'limited' ? manifest.limit : undefined
}

/** @param former the manifest in force, which this one is to replace; undefined: it is the first */
export function makeManifest(
  { admins, parties }: People,
  choice: ManifestChoice,
  former: CampaignManifest | undefined,
): CampaignManifest {
  const generation = randomBytes(8).toString('hex')
  const signer = 'ab'.repeat(32)
  const raw = Buffer.from(
    JSON.stringify({
      Packages: {
        pkg: { SignerID: signer, ProductID: 1, SecurityVersion: 1 },
        side: { SignerID: signer, ProductID: 2, SecurityVersion: 1 },
      },
      Marbles: {
        counting: {
          Package: 'pkg',
          Parameters: {
            Env: {
              GENERATION: generation,
              SHARED: '{{ hex .Secrets.shared }}',
              DERIVED: '{{ hex .Secrets.derived }}',
            },
          },
        },
        limited: {
          Package: 'side',
          MaxActivations: choice.limit,
          Parameters: { Env: { PAIR: '{{ hex .Secrets.pairA }}:{{ hex .Secrets.pairB }}' } },
        },
        single: { Package: 'pkg', MaxActivations: singleLimit },
      },
      Secrets: {
        shared: { Type: 'symmetric-key', Size: 256, Shared: true },
        derived: { Type: 'symmetric-key', Size: 256 },
        certificate: { Type: 'cert-ecdsa', Size: 256, Shared: true },
        pairA: { Type: 'plain', UserDefined: true },
        pairB: { Type: 'symmetric-key', Size: 256, UserDefined: true },
      },
      Users: Object.fromEntries(
        admins.map(({ cert }, index) => [
          `admin${index}`,
          { Certificate: cert, Roles: ['all', 'write', 'packages'] },
        ]),
      ),
      Roles: {
        all: { ResourceType: 'Manifest', Actions: ['UpdateManifest'] },
        write: {
          ResourceType: 'Secrets',
          ResourceNames: ['pairA', 'pairB'],
          Actions: ['ReadSecret', 'WriteSecret'],
        },
        packages: {
          ResourceType: 'Packages',
          ResourceNames: ['pkg', 'side'],
          Actions: ['UpdateSecurityVersion'],
        },
      },
      RecoveryKeys: Object.fromEntries(parties.map(({ name, publicPem }) => [name, publicPem])),
      Config: {
        FeatureGates: ['MonotonicCounter'],
        UpdateThreshold: choice.updateThreshold,
        RecoveryThreshold: choice.recoveryThreshold,
        RotateRootSecret: choice.rotates,
      },
    }),
  )
  return {
    ...choice,
    raw,
    fingerprint: createHash('sha256').update(raw).digest('hex'),
    generation,
    root: former === undefined || choice.rotates ? generation : former.root,
    recovery: former?.recoveryThreshold === choice.recoveryThreshold ? former.recovery : generation,
  }
}
