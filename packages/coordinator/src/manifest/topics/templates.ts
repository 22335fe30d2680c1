import { nameRules } from '../../pki/allowed-names.ts'
import { standInData } from '../../secrets/stand-in.ts'
import {
  compileTemplate,
  TemplateError,
  type CompiledTemplate,
  type TemplateData,
  type TemplateReferences,
} from '../../templates/index.ts'
import { manifestLimits } from '../limits.ts'
import type { Manifest, MarbleDefinition, ParameterValue, SecretDefinition } from '../model.ts'
import { quoteName, type Path } from '../path.ts'
import type { PreparedMarble } from '../prepared.ts'
import type { Report } from '../report.ts'

/**
 * Compiles the templates of all marbles and, when the manifest is new, renders each with stand-ins for all secrets.
 * Marbles often share texts; each text is worked on once.
 */
export function prepareMarbles(
  { marbles, secrets, tls }: Manifest,
  report: Report,
  isNew: boolean,
): ReadonlyMap<string, PreparedMarble> {
  const prepared = new Map<string, PreparedMarble>()
  let bytes = 0
  for (const { files, env } of marbles.values()) bytes += templateBytes(files) + templateBytes(env)
  if (bytes > manifestLimits.templateBytes) {
    const advice = 'set "NoTemplates" where there is nothing to fill in'
    const limit = `may have at most ${manifestLimits.templateBytes}`
    report.error(
      ['Marbles'],
      `files and variables that are templates have ${bytes} bytes, but ${limit}: ${advice}`,
    )
    return prepared
  }
  const compiler = new Compiler(secrets, report, isNew)
  for (const [name, { files, env, tls: tags, allowedNames }] of marbles) {
    const references = new GatheredReferences()
    const path = ['Marbles', name, 'Parameters']
    prepared.set(name, {
      files: compileAll(files, 'file', [...path, 'Files'], compiler, references),
      env: compileAll(env, 'env', [...path, 'Env'], compiler, references),
      references,
      tlsSecrets: certificatesOf(tags, tls),
      allowedNames: allowedNames && nameRules(allowedNames),
    })
  }
  return prepared
}

function templateBytes(values: MarbleDefinition['files']): number {
  let bytes = 0
  for (const { data, isTemplate } of values.values()) if (isTemplate) bytes += data.length
  return bytes
}

function certificatesOf(tags: readonly string[], tls: Manifest['tls']): ReadonlySet<string> {
  const entries = tags.flatMap((tag) => tls.get(tag)?.incoming ?? [])
  return new Set(entries.flatMap(({ cert }) => cert ?? []))
}

type Kind = 'file' | 'env'

function compileAll(
  values: ReadonlyMap<string, ParameterValue>,
  kind: Kind,
  path: Path,
  compiler: Compiler,
  references: GatheredReferences,
): ReadonlyMap<string, CompiledTemplate> {
  const templates = new Map<string, CompiledTemplate>()
  for (const [name, value] of values) {
    const template = compiler.compile(value, kind, [...path, name])
    if (template === undefined) continue
    templates.set(name, template)
    references.add(template.references)
  }
  return templates
}

class GatheredReferences implements TemplateReferences {
  readonly secrets = new Set<string>()
  readonly previousSecrets = new Set<string>()
  allSecrets = false
  allPreviousSecrets = false

  add(references: TemplateReferences): void {
    for (const name of references.secrets) this.secrets.add(name)
    for (const name of references.previousSecrets) this.previousSecrets.add(name)
    this.allSecrets ||= references.allSecrets
    this.allPreviousSecrets ||= references.allPreviousSecrets
  }
}

/** What compiling and rendering one text gave; both undefined for a text without placeholders. */
interface Outcome {
  readonly template: CompiledTemplate | undefined
  readonly problem: string | undefined
}

class Compiler {
  readonly #secrets: ReadonlyMap<string, SecretDefinition>
  readonly #report: Report
  readonly #isDryRun: boolean
  readonly #outcomes = { file: new Map<string, Outcome>(), env: new Map<string, Outcome>() }
  /** Those whose definitions have no error: for others there are no stand-ins. */
  readonly #soundSecrets: ReadonlyMap<string, SecretDefinition>
  #data: TemplateData | undefined
  #renderingMs = 0
  #isOutOfTime = false

  constructor(secrets: ReadonlyMap<string, SecretDefinition>, report: Report, isDryRun: boolean) {
    this.#secrets = secrets
    this.#report = report
    this.#isDryRun = isDryRun
    this.#soundSecrets = new Map([...secrets].filter(([name]) => report.isSound('Secrets', name)))
  }

  compile(value: ParameterValue, kind: Kind, path: Path): CompiledTemplate | undefined {
    const { data, isTemplate } = value
    // Most values are plain text, which renders to itself.
    if (!isTemplate || !bufferOf(data).includes('{{')) return undefined
    const key = bufferOf(data).toString('latin1')
    let outcome = this.#outcomes[kind].get(key)
    if (outcome === undefined) this.#outcomes[kind].set(key, (outcome = this.#try(data, kind)))
    if (outcome.problem !== undefined) this.#report.error(path, outcome.problem)
    if (outcome.template !== undefined) this.#warnOfNames(outcome.template.references, path)
    return outcome.template
  }

  #try(source: Uint8Array, kind: Kind): Outcome {
    let template: CompiledTemplate | undefined
    try {
      template = compileTemplate(source, kind)
      const output = this.#canRender(template.references) ? this.#render(template) : undefined
      if (kind === 'file' || output?.includes(0) !== true) return { template, problem: undefined }
      const problem = 'comes out with a NUL character, which no variable can hold: use hex, base64 or "Files"'
      return { template, problem }
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      return { template, problem: error.message }
    }
  }

  #render(template: CompiledTemplate): Uint8Array | undefined {
    if (this.#isOutOfTime) return undefined
    const start = performance.now()
    try {
      return template.execute(this.#standIns())
    } finally {
      this.#renderingMs += performance.now() - start
      this.#checkTime()
    }
  }

  /** Whoever may set a manifest could else keep the Coordinator busy for hours. */
  #checkTime(): void {
    if (this.#renderingMs <= manifestLimits.dryRunMs) return
    this.#isOutOfTime = true
    const limit = `more than ${manifestLimits.dryRunMs} ms, which is the limit`
    this.#report.error(
      ['Marbles'],
      `rendering all files and variables takes ${limit}: make the templates simpler`,
    )
  }

  #canRender({ secrets, previousSecrets, allSecrets, allPreviousSecrets }: TemplateReferences): boolean {
    if (!this.#isDryRun || !this.#report.isComplete('Secrets')) return false
    if (this.#soundSecrets.size === this.#secrets.size) return true
    const isUsable = (name: string) => this.#soundSecrets.has(name) || !this.#secrets.has(name)
    return !allSecrets && !allPreviousSecrets && [...secrets, ...previousSecrets].every(isUsable)
  }

  /**
   * Former values are present here even for user-defined secrets, which really have none: the original renders so
   * (golden/templates/README.md, "Dry runs"), and manifests in use count on being accepted.
   */
  #standIns(): TemplateData {
    if (this.#data === undefined) {
      const data = standInData(this.#soundSecrets)
      this.#data = { ...data, previousSecrets: data.secrets }
    }
    return this.#data
  }

  #warnOfNames({ secrets, previousSecrets }: TemplateReferences, path: Path): void {
    if (!this.#report.isComplete('Secrets')) return
    for (const name of new Set([...secrets, ...previousSecrets])) {
      if (this.#secrets.has(name)) continue
      const hint = this.#report.didYouMean(name, this.#secrets)
      this.#report.warn(
        path,
        `no such secret ${quoteName(name)} in "Secrets"${hint}; printing it gives "<no value>"`,
      )
    }
    for (const name of previousSecrets) {
      if (this.#secrets.get(name)?.userDefined !== true) continue
      this.#report.warn(
        path,
        `".Previous" has no value of ${quoteName(name)}: what users upload is not kept there`,
      )
    }
  }
}

const bufferOf = (data: Uint8Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.length)
