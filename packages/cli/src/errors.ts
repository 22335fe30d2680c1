/** Exit code of a failure, where a command promises no other. */
const FAILED = 1

/** An error whose message is for the user as it stands; the command ends with its exit code. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(message: string, options: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options)
    this.exitCode = options.exitCode ?? FAILED
  }
}

/** The command line is at fault: the command's usage is shown besides the message. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly usage: string
  readonly exitCode: number

  constructor(message: string, usage: string, exitCode = FAILED) {
    super(message)
    this.usage = usage
    this.exitCode = exitCode
  }
}
