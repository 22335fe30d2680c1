/** When a template was refused: before anything ran, or while it ran. */
export type TemplateStage = 'parse' | 'execute'

/** Where in a template something stands, both counted from 1; the column counts bytes, as Go does. */
interface TemplatePosition {
  readonly line: number
  readonly column: number
}

/**
 * A template that does not parse, or that failed while it was executed (then there is no output at all).
 *
 * The message names the position, the thing at fault and a way out. It holds names from the template and names of
 * types, never a value.
 */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  readonly stage: TemplateStage
  readonly line: number
  readonly column: number

  constructor(stage: TemplateStage, position: TemplatePosition, reason: string) {
    super(`template line ${position.line}, column ${position.column}: ${reason}`)
    this.stage = stage
    this.line = position.line
    this.column = position.column
  }
}

/** A failure inside the evaluator, before its position is known; the evaluator turns it into a TemplateError. */
export class Fault extends Error {
  override readonly name = 'Fault'
}

/** Line and column of a byte offset in a template. */
export function positionAt(source: string, offset: number): TemplatePosition {
  let line = 1
  let start = 0
  for (let at = source.indexOf('\n'); at >= 0 && at < offset; at = source.indexOf('\n', at + 1)) {
    line += 1
    start = at + 1
  }
  return { line, column: offset - start + 1 }
}
