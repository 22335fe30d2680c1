/** Why no certificate can be made from a template. */
export interface TemplateProblem {
  /** Relative to `Secrets.<name>`, for example `['Cert', 'ExtKeyUsage', '0']`. */
  readonly path: readonly string[]
  readonly message: string
}

/** @param path relative to `Secrets.<name>.Cert`. */
export type ReportProblem = (path: readonly (string | number)[], message: string) => void
