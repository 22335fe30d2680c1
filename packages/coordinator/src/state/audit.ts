import type { ManifestChanges } from '../manifest/compare/differences.ts'

/**
 * The public half of a ledger entry: who did what, by name. Built from this closed list of fields only, so that no
 * secret value can get into it.
 *
 * Records are never rewritten. A member that came later is optional here, since records of older builds lack it
 * (docs/audit.md says what each action has); one that is here is never given another meaning.
 */
export type AuditRecord =
  | {
      readonly action: 'manifest-set'
      readonly actor: Actor
      readonly fingerprint: string
      /** Everything that the manifest names. */
      readonly changed?: ManifestChanges
    }
  | {
      readonly action: 'secrets-written'
      readonly actor: UserActor
      readonly secrets: readonly { readonly name: string; readonly type: string }[]
    }
  | {
      readonly action: 'marble-activated'
      readonly actor: MarbleActor
      readonly package: string
      /** Which successful activation of the type this is; null while the type has no limit. */
      readonly activation: number | null
    }
  | {
      readonly action: 'packages-updated'
      readonly actor: UserActor
      readonly packages: readonly { readonly name: string; readonly securityVersion: number }[]
    }
  | {
      /** A full update was uploaded; `applied`: it needed nobody else, and is in force. */
      readonly action: 'update-initiated'
      readonly actor: UserActor
      readonly fingerprint: string
      readonly missingUsers: readonly string[]
      readonly missingAcknowledgments: number
      readonly outcome: UpdateOutcome
      /** What is different in the new manifest, by name; with the outcome `applied`. */
      readonly changed?: ManifestChanges
    }
  | {
      readonly action: 'update-acknowledged'
      readonly actor: UserActor
      readonly fingerprint: string
      readonly missingUsers: readonly string[]
      readonly missingAcknowledgments: number
      readonly outcome: UpdateOutcome
      /** What is different in the new manifest, by name; with the outcome `applied`. */
      readonly changed?: ManifestChanges
    }
  | { readonly action: 'update-cancelled'; readonly actor: UserActor; readonly fingerprint: string }
  | {
      readonly action: 'counter-advanced'
      readonly actor: MarbleActor
      readonly counter: string
      /** The value before. Decimal, since it has 64 bits; equal to `value`: somebody else raised it first. */
      readonly former?: string
      /** The value from now on. */
      readonly value: string
    }
  | { readonly action: 'recovered'; readonly actor: RecoveryActor }

/** What became of a full update with this step. */
export type UpdateOutcome = 'pending' | 'applied' | 'failed'

export type Actor = UserActor | MarbleActor | AnonymousActor | RecoveryActor

export interface UserActor {
  readonly kind: 'user'
  readonly name: string
  /** SHA-256 over the DER of the user's certificate, lower-case hex. */
  readonly certificate: string
}

export interface MarbleActor {
  readonly kind: 'marble'
  readonly type: string
  readonly uuid: string
  /**
   * SHA-256 over the evidence that an activation came with, lower-case hex. Null when there was none: in simulation,
   * and for what a marble does later, when its certificate stands for it.
   */
  readonly evidence: string | null
  /** SHA-256 over the DER of the certificate that it was known by, lower-case hex; undefined for activations. */
  readonly certificate?: string
}

/** Somebody whom the manifest doesn't name: whoever sets the first manifest, or the start-up manifest. */
export interface AnonymousActor {
  readonly kind: 'anonymous' | 'startup'
}

/** Recovery parties who together opened the sealed state. */
export interface RecoveryActor {
  readonly kind: 'recovery'
  /** Their names in the manifest. */
  readonly parties: readonly string[]
}
