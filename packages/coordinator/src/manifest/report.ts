import { Refusal } from '../refusal.ts'
import type { JsonValue } from './json.ts'
import { manifestLimits } from './limits.ts'
import { Locator } from './locate.ts'
import { showPath, type Path } from './path.ts'
import { positionsOf } from './position.ts'
import { closestName } from '@taw/attestation'

/** Something that the user should know about a manifest. Errors refuse it. */
export interface Problem {
  /** Where, for example `Marbles.web.Parameters.Env.A`; empty for the document as a whole. */
  readonly path: string
  /** From 1. Where the path itself is not in the document: of what is around it. */
  readonly line: number
  /** From 1, in characters. */
  readonly column: number
  readonly message: string
  readonly severity: 'error' | 'warning'
}

/** The manifest is refused. The message lists the errors; `problems` has the warnings too. */
export class ManifestInvalid extends Refusal {
  /** In the order of the document, at most some thousand. */
  readonly problems: readonly Problem[]

  /** @param errorCount how many errors there are, which may be more than `problems` lists */
  constructor(problems: readonly Problem[], errorCount: number) {
    super('manifest_invalid', describeErrors(problems, errorCount))
    this.problems = problems
  }
}

interface Found {
  readonly path: Path
  readonly offset: number
  readonly message: string
  readonly severity: 'error' | 'warning'
}

/** How many candidates may be compared in all to find out what users meant: it is a courtesy, not worth more time. */
const suggestionBudget = 200_000

/** Collects what is found about one manifest, so that the user is told all of it at once. */
export class Report {
  readonly #raw: Uint8Array
  readonly #locator: Locator
  readonly #found: Found[] = []
  readonly #counts = { error: 0, warning: 0 }
  /** Paths of values that could not be decoded, and of all that they stand in. */
  readonly #undecoded = new Set<string>()
  readonly #aroundUndecoded = new Set<string>()
  /** Entries of top-level maps that have errors. */
  readonly #faulty = new Set<string>()
  #suggestions = 0

  constructor(raw: Uint8Array, document: JsonValue) {
    this.#raw = raw
    this.#locator = new Locator(document)
  }

  /** A value is not of the right kind. Findings that may only follow from this are then left out. */
  undecodable(path: Path, message: string, offset?: number): void {
    if (this.#undecoded.size < manifestLimits.problemsKept) {
      this.#undecoded.add(JSON.stringify(path))
      for (let length = 0; length < path.length; length++) {
        this.#aroundUndecoded.add(JSON.stringify(path.slice(0, length)))
      }
    }
    this.#add('error', path, message, offset)
  }

  error(path: Path, message: string): void {
    if (!this.isDoubtful(path)) this.#add('error', path, message)
  }

  warn(path: Path, message: string, offset?: number): void {
    if (!this.isDoubtful(path)) this.#add('warning', path, message, offset)
  }

  /** Whether something at, in or around this path could not be decoded, so that findings about it may be false. */
  isDoubtful(path: Path): boolean {
    if (this.#undecoded.size === 0) return false
    // So much is wrong that more findings would not help.
    if (this.#undecoded.size >= manifestLimits.problemsKept) return true
    if (this.#aroundUndecoded.has(JSON.stringify(path))) return true
    for (let length = 0; length <= path.length; length++) {
      if (this.#undecoded.has(JSON.stringify(path.slice(0, length)))) return true
    }
    return false
  }

  /** Whether the names in a map of the manifest (`Packages`, `Secrets`, …) are surely all that the user gave. */
  isComplete(map: string): boolean {
    return !this.#undecoded.has(JSON.stringify([map])) && !this.#undecoded.has('[]')
  }

  /** Whether an entry of such a map has no error so far. */
  isSound(map: string, name: string): boolean {
    return !this.#faulty.has(JSON.stringify([map, name])) && this.isComplete(map)
  }

  /** ` (did you mean "web"?)`, or nothing. */
  didYouMean(name: string, candidates: ReadonlyMap<string, unknown>): string {
    this.#suggestions += candidates.size
    if (this.#suggestions > suggestionBudget) return ''
    const closest = closestName(name, candidates.keys())
    return closest === undefined ? '' : ` (did you mean "${closest}"?)`
  }

  get hasErrors(): boolean {
    return this.#counts.error > 0
  }

  /** @throws {@link ManifestInvalid} if anything was found that refuses the manifest */
  throwIfErrors(): void {
    if (this.hasErrors) throw new ManifestInvalid(this.problems(), this.#counts.error)
  }

  /** All that was found, in the order of the document. */
  problems(): readonly Problem[] {
    const found = this.#found.toSorted((a, b) => a.offset - b.offset)
    const positions = positionsOf(
      this.#raw,
      found.map(({ offset }) => offset),
    )
    return found.map(({ path, message, severity }, index) => ({
      path: showPath(path),
      line: positions[index]?.line ?? 1,
      column: positions[index]?.column ?? 1,
      message,
      severity,
    }))
  }

  #add(severity: 'error' | 'warning', path: Path, message: string, offset?: number): void {
    if (severity === 'error') this.#faulty.add(JSON.stringify(path.slice(0, 2)))
    if (this.#counts[severity]++ >= manifestLimits.problemsKept) return
    this.#found.push({ path, offset: offset ?? this.#locator.offsetOf(path), message, severity })
  }
}

function describeErrors(problems: readonly Problem[], errorCount: number): string {
  const errors = problems
    .filter(({ severity }) => severity === 'error')
    .slice(0, manifestLimits.problemsShown)
  const heading =
    errorCount === 1 ? 'the manifest is refused' : `the manifest is refused for ${errorCount} reasons`
  const lines = errors.map(({ path, line, column, message }) => {
    const place = `line ${line}, column ${column}`
    return `${path === '' ? place : `${path} (${place})`}: ${message}`
  })
  if (errorCount > errors.length) lines.push(`… and ${errorCount - errors.length} more`)
  return lines.length === 1 ? `${heading}: ${lines.join('')}` : `${heading}:\n${lines.join('\n')}`
}
