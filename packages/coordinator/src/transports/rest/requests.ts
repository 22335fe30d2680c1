import { JsonError } from '../../manifest/json-error.ts'
import { type JsonValue, parseJson } from '../../manifest/json.ts'
import { Report } from '../../manifest/report.ts'
import { bytes, map, record, reportWrongKind, type Shape, text, unsigned64 } from '../../manifest/shape.ts'
import { decodeBase64 } from '../../manifest/text-encodings.ts'
import type { RecoveryUpload } from '../../operations/recover.ts'
import { Refusal } from '../../refusal.ts'
import { type UploadedSecret, type UploadMembers, uploadedSecret } from '../../secrets/uploaded.ts'

/** Bodies of requests, read as Go's decoder does (spec/manifest.md); what is wrong is told with its path. */

/** Of a request body; a manifest inside is a string here, with limits of its own. */
const jsonLimits = { depth: 100, values: 1_000_000 }

/** `{manifest: base64}`. A missing manifest is an empty one. */
export const manifestRequest = (body: Uint8Array): Uint8Array =>
  decode(body, record({ manifest: bytes })).manifest ?? new Uint8Array()

/** `Cert` of an upload: base64 of DER. An object stands for a template, which no upload has a use for. */
const uploadedCertificate: Shape<Uint8Array | 'not-base64' | undefined> = {
  expects: 'a certificate: the base64 of its DER',
  empty: () => undefined,
  read(value, place, former, context) {
    if (value.kind === 'string') return decodeBase64(value.value) ?? 'not-base64'
    if (value.kind !== 'object') reportWrongKind(this, value, place, context)
    return former
  },
}

const uploadRecord = record({ Key: bytes, Cert: uploadedCertificate, Private: bytes })
const uploads = map(uploadRecord)

/** v2: `{secrets: {name: {Key} or {Cert, Private}}}`. */
export const secretsRequest = (body: Uint8Array): ReadonlyMap<string, UploadedSecret> =>
  readUploads(decode(body, record({ secrets: uploads })).secrets ?? new Map())

/** v1: the map itself. */
export const secretsMapRequest = (body: Uint8Array): ReadonlyMap<string, UploadedSecret> =>
  readUploads(decode(body, uploads))

type DecodedUploads = ReturnType<typeof uploads.empty>

function readUploads(decoded: DecodedUploads): ReadonlyMap<string, UploadedSecret> {
  return new Map(
    [...decoded].map(([name, { Key, Cert, Private }]) => {
      const members: UploadMembers = { key: Key, certificate: Cert, private: Private }
      return [name, uploadedSecret(name, members)]
    }),
  )
}

export interface CounterRequest {
  readonly name: string
  readonly value: bigint
}

/** `{name, value}`; absent members are empty and 0. */
export function counterRequest(body: Uint8Array): CounterRequest {
  const { name = '', value = 0n } = decode(body, record({ name: text, value: unsigned64 }))
  return { name, value }
}

/** `{recoverySecret, recoverySecretSignature}`. */
export function recoveryRequest(body: Uint8Array): RecoveryUpload {
  const decoded = decode(body, record({ recoverySecret: bytes, recoverySecretSignature: bytes }))
  const { recoverySecret = new Uint8Array(), recoverySecretSignature = new Uint8Array() } = decoded
  return { secret: recoverySecret, signature: recoverySecretSignature }
}

/** `{sgxQuote}`. */
export const signQuoteRequest = (body: Uint8Array): Uint8Array =>
  decode(body, record({ sgxQuote: bytes })).sgxQuote ?? new Uint8Array()

/** @throws {@link Refusal} `request_malformed` with all that is wrong */
function decode<T>(body: Uint8Array, shape: Shape<T>): T {
  const document = parse(body)
  if (document.kind === 'null') return shape.empty()
  const report = new Report(body, document)
  const decoded = shape.read(document, undefined, undefined, { report, raw: body })
  const problems = report.problems().filter(({ severity }) => severity === 'error')
  if (problems.length === 0) return decoded
  throw malformed(
    problems.map(({ path, message }) => `${path === '' ? 'the whole' : path} ${message}`).join('; '),
  )
}

function parse(body: Uint8Array): JsonValue {
  try {
    return parseJson(body, jsonLimits)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`at byte ${error.offset}: ${error.message}`)
    throw error
  }
}

const malformed = (reason: string): Refusal =>
  new Refusal('request_malformed', `the request body can't be read: ${reason}`)
