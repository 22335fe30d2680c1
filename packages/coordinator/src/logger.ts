import { pino, type Logger } from 'pino'

export type { Logger }

export interface LogOptions {
  /** Lines of text for people instead of JSON; debug level on. */
  readonly development: boolean
  readonly debug: boolean
}

/** Logs to standard error: one JSON object a line (`level`, `ts` in seconds since 1970, `msg`, fields). */
export function createLogger(options: LogOptions): Logger {
  const level = options.debug || options.development ? 'debug' : 'info'
  const destination = {
    write: (line: string): void => {
      process.stderr.write(options.development ? readable(line) : line)
    },
  }
  return pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":${Date.now() / 1000}`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    destination,
  )
}

/** An error as a log field: a refusal is its sentence, a defect has its stack. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  return error.name === 'Refusal' ? error.message : (error.stack ?? error.message)
}

function readable(line: string): string {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.keys(fields).length === 0 ? '' : `\t${JSON.stringify(fields)}`
  return `${new Date(Number(ts) * 1000).toISOString()}\t${String(level).toUpperCase()}\t${String(msg)}${rest}\n`
}
