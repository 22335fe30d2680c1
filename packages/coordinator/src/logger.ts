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
  return error.name === 'Refusal' ? error.message : withoutValues(error)
}

/** Name and stack, and the message where it is ours: Node's own and V8's quote the value that they don't like. */
function withoutValues(error: Error): string {
  const { name, message, stack = '' } = error
  const at = stack.search(/^ +at /m)
  const frames = at === -1 ? '' : `\n${stack.slice(at)}`
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // OpenSSL's reasons are texts that stand in its source.
  if (code.startsWith('ERR_') && !code.startsWith('ERR_OSSL')) return `${name} [${code}]${frames}`
  return name === 'SyntaxError' ? `${name}${frames}` : `${name}: ${message}${frames}`
}

function readable(line: string): string {
  const { level, ts, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.keys(fields).length === 0 ? '' : `\t${JSON.stringify(fields)}`
  return `${new Date(Number(ts) * 1000).toISOString()}\t${String(level).toUpperCase()}\t${String(msg)}${rest}\n`
}
