import { randomUUID } from 'node:crypto'
import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import { once } from 'node:events'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ActivationReqSchema, ActivationRespSchema, type Parameters } from '@taw/protocol'
import { pemEncode } from '../../packages/coordinator/src/pki/pem.ts'
import { type Curve, makeIdentity } from '../../packages/marble/src/identity/identity.ts'
import { parseMarbleNames } from '../../packages/marble/src/identity/names.ts'
import { get } from './coordinator.ts'

/** A marble without the runner: gRPC over plain `node:http2`, so that tests can also say what no client would. */

/** Codes of gRPC that tests name (github.com/grpc/grpc, doc/statuscodes.md). */
export const grpcCode = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
} as const

/** Key, certificate and request of a marble that wants to activate. */
export interface ClientIdentity {
  /** PEM of the self-signed certificate. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
  /** PKCS #10, DER. */
  readonly csr: Uint8Array
}

/** @param names as in `EDG_MARBLE_DNS_NAMES` */
export async function clientIdentity(names = 'localhost', curve: Curve = 'P-256'): Promise<ClientIdentity> {
  const identity = await makeIdentity(parseMarbleNames(names), curve, new Date())
  return {
    cert: pemEncode('CERTIFICATE', identity.certificate),
    key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csr: identity.certificateRequest,
  }
}

export interface GrpcAnswer {
  readonly httpStatus: number
  /** The status of the call; undefined when the stream ended without one. */
  readonly code: number | undefined
  readonly message: string
  /** The frame of the answer, its prefix included; empty where there is none. */
  readonly body: Buffer
}

/** What an activation sends; all members have usual values. */
export interface ActivationFields {
  readonly marbleType: string
  readonly uuid?: string
  readonly csr?: Uint8Array
  readonly quote?: Uint8Array
}

/** Connects with the identity, which the server need not know; the server's certificate is not verified. */
export async function connectMesh(
  port: number,
  identity: Pick<ClientIdentity, 'cert' | 'key'>,
): Promise<ClientHttp2Session> {
  const { cert, key } = identity
  // Bounds of Node's client must not stand before the server's; megabytes.
  const options = { rejectUnauthorized: false, maxSessionMemory: 1000 }
  const session = http2.connect(`https://127.0.0.1:${port}`, { cert, key, ...options })
  // A connection that breaks ends its calls, which is where tests look.
  session.on('error', () => undefined)
  await once(session, 'connect')
  return session
}

/** One call with any body and header fields. */
export function call(
  session: ClientHttp2Session,
  body: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ...activateHeaders, ...headers })
    const head = new Map<string, string>()
    const keep = (fields: object): void => {
      for (const [name, value] of Object.entries(fields)) head.set(name, String(value))
    }
    const chunks: Buffer[] = []
    stream.on('response', keep)
    stream.on('trailers', keep)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      const code = head.get('grpc-status')
      resolve({
        httpStatus: Number(head.get(':status')),
        code: code === undefined ? undefined : Number(code),
        message: decodeURIComponent(head.get('grpc-message') ?? ''),
        body: Buffer.concat(chunks),
      })
    })
    stream.end(body)
  })
}

export const activateHeaders = {
  ':method': 'POST',
  ':path': '/rpc.Marble/Activate',
  'content-type': 'application/grpc',
  te: 'trailers',
} as const

/** A message behind its prefix; `length` and `flag` may lie. */
export function frame(message: Uint8Array, length = message.length, flag = 0): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8(flag, 0)
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, message])
}

export function encodeActivation(fields: ActivationFields, identity: ClientIdentity): Uint8Array {
  return toBinary(
    ActivationReqSchema,
    create(ActivationReqSchema, {
      Quote: fields.quote ?? new Uint8Array(),
      CSR: fields.csr ?? identity.csr,
      MarbleType: fields.marbleType,
      UUID: fields.uuid ?? randomUUID(),
    }),
  )
}

export type ActivationResult = Pick<GrpcAnswer, 'code' | 'message'> & { readonly parameters?: Parameters }

/** Activates on a connection of its own, as marbles do. */
export async function tryActivation(
  port: number,
  identity: ClientIdentity,
  fields: ActivationFields,
): Promise<ActivationResult> {
  const session = await connectMesh(port, identity)
  try {
    return await activationOn(session, identity, fields)
  } finally {
    session.destroy()
  }
}

/** Activates on an open connection, which was made with this identity. */
export async function activationOn(
  session: ClientHttp2Session,
  identity: ClientIdentity,
  fields: ActivationFields,
): Promise<ActivationResult> {
  const { code, message, body } = await call(session, frame(encodeActivation(fields, identity)))
  if (code !== grpcCode.OK) return { code, message }
  const { Parameters: parameters } = fromBinary(ActivationRespSchema, body.subarray(5))
  return { code, message, ...(parameters !== undefined && { parameters }) }
}

/** Activates, or fails the test. */
export async function activate(
  port: number,
  identity: ClientIdentity,
  fields: ActivationFields,
): Promise<Parameters> {
  const { code, message, parameters } = await tryActivation(port, identity, fields)
  if (parameters !== undefined) return parameters
  throw new Error(`the activation of "${fields.marbleType}" ended with gRPC code ${code}: ${message}`)
}

/** Text of an environment variable or file of an activation. */
export function textOf(values: Readonly<Record<string, Uint8Array>>, name: string): string {
  const value = values[name]
  if (value === undefined) throw new Error(`the activation gave no "${name}"`)
  return Buffer.from(value).toString()
}

/** The simplest package, and whatever else a test's manifest needs. */
export function manifestWith(members: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    Packages: { pkg: { SignerID: 'ab'.repeat(32), ProductID: 1, SecurityVersion: 1 } },
    ...members,
  })
}

/** Sets a manifest, or fails the test. */
export async function setManifest(port: number, manifest: string): Promise<void> {
  const answer = await postManifest(port, manifest)
  if (answer.status !== 200) throw new Error(`the manifest is refused: ${answer.text}`)
}

export function postManifest(port: number, manifest: string | Uint8Array): ReturnType<typeof get> {
  const body = JSON.stringify({ manifest: Buffer.from(manifest).toString('base64') })
  return get(port, '/api/v2/manifest', { method: 'POST', body })
}
