/** An error whose message is for the user as it stands; the command ends with exit code 1. */
export class CliError extends Error {
  override readonly name = 'CliError'
}

/** The command line is at fault: the command's usage is shown besides the message. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly usage: string
  readonly exitCode: number

  constructor(message: string, usage: string, exitCode: number) {
    super(message)
    this.usage = usage
    this.exitCode = exitCode
  }
}
