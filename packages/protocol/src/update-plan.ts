/**
 * The answer of a dry run (`POST /api/v2/update?dry-run=1`) and the words that it shares with `taw manifest diff`.
 * docs/updates.md describes it for users. New members and codes may come; those that are here keep their meaning.
 */
export interface UpdatePlan {
  /** `packages`: only minimum versions rise, at once. `manifest`: a whole new manifest. */
  readonly kind: 'packages' | 'manifest'
  /** SHA-256 of the manifest that was sent, lower-case hex. */
  readonly manifestFingerprint: string
  /** Of the manifest in force. */
  readonly currentManifestFingerprint: string
  /** The manifest in force, with raised versions, against the one that would be. */
  readonly differences: readonly ManifestDifference[]
  /** Every secret of either manifest. */
  readonly secrets: readonly PlannedSecret[]
  /** The Coordinator's own keys. */
  readonly authority: {
    readonly root: Fate
    readonly intermediate: Fate
    readonly marbleRoot: Fate
    /** From which the private symmetric keys of all marbles are derived. */
    readonly rootSecret: Fate
  }
  /** Every marble type of either manifest. */
  readonly marbles: readonly PlannedMarble[]
  /** Undefined for an update of packages, which needs nobody else. */
  readonly acknowledgements?: PlannedAcknowledgements
  readonly recovery: PlannedRecovery
  readonly sealMode: { readonly before: string; readonly after: string }
  /** A manifest update that waits already. */
  readonly pending?: {
    readonly manifestFingerprint: string
    /** Whether it is the manifest that was sent: the plan is then that of an acknowledgement. */
    readonly isThisManifest: boolean
    readonly acknowledgedBy: readonly string[]
  }
  /** What no later update can bring back. */
  readonly irreversible: readonly Statement[]
  /** What the caller would regret not to have read. */
  readonly warnings: readonly Statement[]
  /** What is odd about the manifest though it would be taken. */
  readonly manifestWarnings: readonly ManifestWarning[]
}

export interface ManifestWarning {
  readonly path: string
  readonly line: number
  readonly column: number
  readonly message: string
}

export type Fate = 'kept' | 'remade'

/** One entry of a member of the manifest that is not the same in both. */
export interface ManifestDifference {
  /** As in the manifest: `Packages`, `Secrets`, … */
  readonly member: string
  /** The entry's name; undefined for `Config`, which has no entries. */
  readonly name?: string
  readonly change: 'added' | 'removed' | 'changed'
  readonly fields: readonly FieldDifference[]
}

/** A field that is absent on one side was not given there, or has its default. */
export interface FieldDifference {
  /** Path within the entry: `SecurityVersion`, `Parameters.Env.NAME`. */
  readonly field: string
  readonly before?: FieldValue
  readonly after?: FieldValue
}

/**
 * Certificates and keys are told by their SHA-256, values of files, variables and arguments by their length and
 * SHA-256; integers above 2^53 are decimal text.
 */
export type FieldValue =
  string | number | boolean | readonly FieldValue[] | { readonly [member: string]: FieldValue }

export interface PlannedSecret {
  readonly name: string
  /** By the manifest that would be, or for a deleted one by that in force. */
  readonly type: string
  readonly scope: 'shared' | 'private' | 'user-defined'
  /**
   * `kept`; `made`: there was none; `remade`: it gets another; `deleted`; `unset`: a user has yet to upload it;
   * `per-activation`: a private certificate, new at every activation.
   */
  readonly value: 'kept' | 'made' | 'remade' | 'deleted' | 'unset' | 'per-activation'
  /** What becomes of the value that a marble gets today; absent while it is kept, or there is none. */
  readonly formerValue?: 'previous' | 'lost'
  /** What becomes of the value that stood under `.Previous`; absent when there was none. */
  readonly olderValue?: 'kept' | 'lost'
}

export interface PlannedMarble {
  readonly type: string
  readonly change: 'added' | 'removed' | 'changed' | 'unchanged'
  /** From the audit log. A Coordinator is not told when a marble ends, so more may be counted than run. */
  readonly activations: {
    readonly total: number
    /** Since the certificates in force were made: by the last update, or with the first manifest. */
    readonly sinceLastUpdate: number
    /** The same, each UUID once. */
    readonly marblesSinceLastUpdate: number
  }
  /** Activations that `MaxActivations` leaves afterwards; absent without a limit, and for removed types. */
  readonly activationsLeft?: number
  /** Why marbles that run must be restarted to be as the new manifest wants; empty for added types. */
  readonly restart: readonly RestartReason[]
}

export interface RestartReason {
  /**
   * `certificates`: theirs are of the former intermediate; `secrets`: `names` have other values; `parameters`, `tls`,
   * `package`: changed; `removed`: the type is gone.
   */
  readonly reason: 'certificates' | 'secrets' | 'parameters' | 'tls' | 'package' | 'removed'
  readonly names: readonly string[]
}

export interface PlannedAcknowledgements {
  /** `Config.UpdateThreshold` of the manifest in force; 0: all who may. */
  readonly threshold: number
  readonly needed: number
  /** The caller is one of them. */
  readonly acknowledgedBy: readonly string[]
  readonly missing: number
  /** Users who may. */
  readonly missingUsers: readonly string[]
}

export interface PlannedRecovery {
  /** `kept`: the parties' secrets go on; `renewed`: the completing answer carries new ones; `removed`: none. */
  readonly secrets: 'kept' | 'renewed' | 'removed' | 'none'
  /** Recovery keys of the manifest that would be. */
  readonly parties: readonly string[]
  /** How many of them are needed. */
  readonly needed: number
}

export interface Statement {
  /** For programs; docs/updates.md lists them. */
  readonly code: string
  /** For people. */
  readonly message: string
  /** What it is about: names of the manifest. */
  readonly names: readonly string[]
}
