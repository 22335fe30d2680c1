import type { RefusalCode } from '@taw/protocol'

/** A complete answer of the client API. */
export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  /** Value of the header field `Taw-Warnings`: a JSON array of sentences in ASCII. */
  readonly warnings?: string
  /** Why the request was refused; nothing of the answer says it. */
  readonly refusal?: RefusalCode
}

export const isAnswer = (value: unknown): value is Answer =>
  typeof value === 'object' && value !== null && 'contentType' in value && 'body' in value

export type ApiVersion = 1 | 2

const jsonType = 'application/json'
/** Scripts see the original's label on errors, though the body is JSON; kept (spec/quirks.md). */
const errorType = 'text/plain; charset=utf-8'

/**
 * HTTP status of each refusal by version; `refused`: what the route says (500 in v2; in v1 400, for some routes 500).
 * Exhaustive: a new code without a status does not compile.
 */
const statuses: Readonly<Record<RefusalCode, Readonly<Record<ApiVersion, number | 'refused'>>>> = {
  request_malformed: { 1: 'refused', 2: 400 },
  limit_exceeded: { 1: 413, 2: 413 },
  state_mismatch: { 1: 'refused', 2: 'refused' },
  caller_unknown: { 1: 401, 2: 401 },
  permission_denied: { 1: 'refused', 2: 'refused' },
  manifest_invalid: { 1: 'refused', 2: 'refused' },
  update_invalid: { 1: 'refused', 2: 'refused' },
  update_missing: { 1: 404, 2: 404 },
  update_pending: { 1: 'refused', 2: 'refused' },
  secret_invalid: { 1: 'refused', 2: 'refused' },
  secret_unset: { 1: 'refused', 2: 'refused' },
  marble_unknown: { 1: 'refused', 2: 'refused' },
  uuid_invalid: { 1: 'refused', 2: 'refused' },
  evidence_invalid: { 1: 'refused', 2: 'refused' },
  collateral_unavailable: { 1: 503, 2: 503 },
  policy_mismatch: { 1: 'refused', 2: 'refused' },
  activations_exhausted: { 1: 'refused', 2: 'refused' },
  csr_invalid: { 1: 'refused', 2: 'refused' },
  template_failed: { 1: 'refused', 2: 'refused' },
  feature_disabled: { 1: 403, 2: 403 },
  recovery_invalid: { 1: 'refused', 2: 'refused' },
  storage_unavailable: { 1: 'refused', 2: 'refused' },
  internal: { 1: 500, 2: 500 },
}

/** JSend `success`. */
export const success = (data: unknown): Answer => successText(JSON.stringify(data))

/** The same for data that is JSON text already, such as integers beyond 2^53. */
export const successText = (data: string): Answer => ({
  status: 200,
  contentType: jsonType,
  body: `{"status":"success","data":${data}}\n`,
})

/** JSend `fail` for a caller's mistake in v2, else `error`. `refusedStatus` is the route's status for `refused`. */
export function refusal(
  code: RefusalCode,
  message: string,
  version: ApiVersion,
  refusedStatus: number,
): Answer {
  const mapped = statuses[code][version]
  const status = mapped === 'refused' ? refusedStatus : mapped
  const isFailure = version === 2 && (status === 400 || status === 401 || status === 413)
  return {
    ...(isFailure ? failure(message, null, status) : errorAnswer(status, message)),
    refusal: code,
  }
}

/** JSend `fail`; `data` names the members of the request that are at fault. */
export const failure = (message: string, data: unknown, status = 400): Answer => ({
  status,
  contentType: jsonType,
  body: `${JSON.stringify({ status: 'fail', data, message })}\n`,
})

export function errorAnswer(status: number, message?: string): Answer {
  return {
    status,
    contentType: errorType,
    body: `${JSON.stringify({ status: 'error', data: null, message })}\n`,
  }
}

/** No such path, or not with this method: the two are told apart by nothing, as in the original. */
export const methodNotAllowed: Answer = errorAnswer(405)

/** Characters of the header field with warnings; clients bound all fields together, Node's at 16 KiB. */
const warningCharacters = 4096

/**
 * A success that tells of things which the user should know. They stand in a header field, so that the body has the
 * recorded shape; the log has all of them.
 */
export function withWarnings(
  data: unknown,
  warnings: readonly (string | { readonly path: string; readonly line: number; readonly message: string })[],
): Answer {
  if (warnings.length === 0) return success(data)
  const shown = warnings.map((warning) =>
    typeof warning === 'string' ? warning : `${warning.path} (line ${warning.line}): ${warning.message}`,
  )
  while (asciiJson(shown).length > warningCharacters) shown.pop()
  if (shown.length < warnings.length)
    shown.push(`and ${warnings.length - shown.length} more; the log has all`)
  return { ...success(data), warnings: asciiJson(shown) }
}

const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** In HTTP/1.1 the names are sent as they stand here: scripts look for the usual spelling in what curl shows. */
export const headersOf = (answer: Answer): Record<string, string | number> => ({
  'Content-Type': answer.contentType,
  'Content-Length': Buffer.byteLength(answer.body),
  ...(answer.contentType === errorType && { 'X-Content-Type-Options': 'nosniff' }),
  ...(answer.warnings !== undefined && { 'Taw-Warnings': answer.warnings }),
})
