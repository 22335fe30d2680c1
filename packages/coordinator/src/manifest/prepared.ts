import type { Manifest } from './model.ts'
import type { NameRules } from '../pki/allowed-names.ts'
import type { CompiledTemplate, TemplateReferences } from '../templates/index.ts'
import type { Problem } from './report.ts'

/** A manifest with all that follows from its bytes. */
export interface PreparedManifest {
  /** The bytes as uploaded: these are hashed, signed and given back. */
  readonly raw: Uint8Array
  /** SHA-256 of `raw`, lower-case hex. */
  readonly fingerprint: string
  readonly manifest: Manifest
  /** By marble type. */
  readonly marbles: ReadonlyMap<string, PreparedMarble>
  readonly warnings: readonly Problem[]
}

/** What an activation of one marble type needs besides its definition. */
export interface PreparedMarble {
  /** By path. Files that are no templates, or have nothing to fill in, are not here: their data is the result. */
  readonly files: ReadonlyMap<string, CompiledTemplate>
  /** By name; the same. */
  readonly env: ReadonlyMap<string, CompiledTemplate>
  /** What all of these can reach of the secrets. Names may be unknown to the manifest. */
  readonly references: TemplateReferences
  /** Secrets whose certificates the marble's TLS tags show. */
  readonly tlsSecrets: ReadonlySet<string>
  /** What its certificates may be valid for; undefined: whatever a marble asks for. */
  readonly allowedNames: NameRules | undefined
}
