/**
 * What one template may use. Nesting is limited as in Go; the other limits are ours, because Go lets
 * `{{ range 1000000000 }}` and `{{ $x = print $x $x }}` run until the machine gives up.
 */
export interface TemplateLimits {
  /** Evaluation steps: about one for each field, call, branch, loop round or piece of text. */
  readonly steps: number
  /** Bytes of the finished output. */
  readonly outputBytes: number
  /** Bytes of all strings made on the way, such as the results of `printf`, together. */
  readonly builtBytes: number
  /** Nested `template` calls; Go refuses call 100001 (text/template, documented as "exceeded maximum template depth"). */
  readonly callDepth: number
  /** Nested parentheses; Go's parser accepts 10000. Looked at when a template is compiled. */
  readonly parenthesisDepth: number
}

/** The limits that hold where a caller names none. All of them are far above what a file or variable needs. */
export const defaultTemplateLimits: TemplateLimits = {
  steps: 5_000_000,
  outputBytes: 16 * 1024 * 1024,
  builtBytes: 64 * 1024 * 1024,
  callDepth: 100_000,
  parenthesisDepth: 10_000,
}
