import { Budget } from './budget.ts'
import { functionNames, type TemplateKind } from './builtins/builtins.ts'
import { bytesFrom, bytesTo } from './bytes.ts'
import { rootValue, type TemplateData } from './data.ts'
import { evaluate } from './evaluate.ts'
import { defaultTemplateLimits, type TemplateLimits } from './limits.ts'
import { parse } from './parser.ts'
import { findReferences, type TemplateReferences } from './references.ts'

export type { TemplateKind } from './builtins/builtins.ts'
export type { TemplateData, TemplateSecret } from './data.ts'
export { TemplateError } from './error.ts'
export { defaultTemplateLimits, type TemplateLimits } from './limits.ts'
export type { TemplateReferences } from './references.ts'

/** A template that parsed. It is immutable, and can be executed any number of times. */
export interface CompiledTemplate {
  /**
   * Executes the template.
   *
   * @param limits what differs from {@link defaultTemplateLimits}
   * @returns the output in bytes, which need not be UTF-8
   * @throws {@link TemplateError} (stage `execute`)
   */
  execute(data: TemplateData, limits?: Partial<TemplateLimits>): Uint8Array
  /** The secrets that any execution can reach. */
  readonly references: TemplateReferences
}

/**
 * Compiles a placeholder in Go's text/template language.
 *
 * The language is that of Go 1.26 with its built-in functions, and ours: `pem`, `hex`, `base64`, `raw` (files) and
 * `string` (environment variables). A template has no I/O, no clock and no randomness, and reaches nothing but the
 * data that it is executed with. Values become JavaScript strings on their way, which cannot be wiped.
 *
 * @param source the template in bytes, which need not be UTF-8
 * @param limits what differs from {@link defaultTemplateLimits}
 * @throws {@link TemplateError} (stage `parse`)
 */
export function compileTemplate(
  source: Uint8Array,
  kind: TemplateKind,
  limits?: Partial<TemplateLimits>,
): CompiledTemplate {
  const { parenthesisDepth } = { ...defaultTemplateLimits, ...limits }
  const program = parse(bytesFrom(source), functionNames[kind], parenthesisDepth)
  const references = findReferences(program)
  return {
    references,
    execute: (data, limits) => {
      const budget = new Budget({ ...defaultTemplateLimits, ...limits })
      return bytesTo(evaluate(program, rootValue(data), budget))
    },
  }
}
