import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { Duplex } from 'node:stream'
import { TLSSocket, type Server } from 'node:tls'

import { MarbleError } from '../errors.ts'
import { contextTag, objectIdentifier, readAll, readElement, tag } from '../identity/der.ts'
import { parseUuid } from '../identity/uuid.ts'
import type { MarbleCredentials } from './credentials.ts'

/** Who is at the other end, as the Coordinator has attested it. */
export interface PeerMarble {
  /** Name of the marble type in the manifest. */
  readonly marbleType: string
  /** Canonical form. */
  readonly uuid: string
}

/** A TLS socket, also where it is only known as a stream (`request.socket`), or what `node:http2` gives in its place. */
export type PeerSocket = TLSSocket | Duplex

/** The extension that holds the marble type's raw bytes (spec of the marble certificate). */
const marbleTypeOid = objectIdentifier('1.3.9903.2.1')
const commonNameOid = objectIdentifier('2.5.4.3')

/**
 * The marble at the other end of a verified TLS connection.
 *
 * @returns undefined when the peer's certificate is of this deployment but no marble's: one that the manifest
 * generates as a secret
 * @throws {@link MarbleError} `peer_unauthorized` when the connection wasn't verified
 */
export function peerMarble(socket: PeerSocket, credentials: MarbleCredentials): PeerMarble | undefined {
  // Not getPeerX509Certificate: on a client it takes the certificate away, and the next call has none
  // (https://github.com/nodejs/node/issues/65579).
  const raw: unknown = isVerified(socket) ? socket.getPeerCertificate(false).raw : undefined
  if (raw instanceof Uint8Array) return marbleOf(new X509Certificate(raw), credentials)
  throw new MarbleError(
    'peer_unauthorized',
    'asking for the marble type of a peer: there is no verified certificate; use the options of tlsOptions, ask after ' +
      'the handshake and before the end, and on a client do not resume sessions (Node.js keeps no certificate for them)',
  )
}

/** Asks for the members one by one: the stand-in that `node:http2` gives answers only to that. */
const isVerified = (socket: PeerSocket): socket is TLSSocket =>
  Reflect.get(socket, 'authorized') === true &&
  typeof Reflect.get(socket, 'getPeerCertificate') === 'function'

/**
 * The marble that a certificate stands for.
 *
 * Only a certificate that the marble root's own key has signed counts. A manifest can give a marble a certificate with
 * CA rights as a secret, and TLS would verify what that marble signs, with whatever marble type it writes there.
 *
 * @returns undefined when it is no marble's certificate of this deployment
 */
export function marbleOf(certificate: X509Certificate, { root }: MarbleCredentials): PeerMarble | undefined {
  if (certificate.ca || !certificate.checkIssued(root) || !certificate.verify(root.publicKey))
    return undefined
  const fields = fieldsOf(certificate.raw)
  const uuid = fields === undefined ? undefined : parseUuid(fields.commonName)
  return fields === undefined || uuid === undefined ? undefined : { marbleType: fields.marbleType, uuid }
}

/**
 * Stops unless the peer is a marble of one of these types.
 *
 * @throws {@link MarbleError} `peer_unauthorized`
 */
export function requireMarble(
  socket: PeerSocket,
  credentials: MarbleCredentials,
  marbleTypes: readonly string[],
): PeerMarble {
  return allowed(peerMarble(socket, credentials), marbleTypes)
}

/** As {@link requireMarble}, for a certificate that TLS has verified. */
export function requireMarbleCertificate(
  certificate: X509Certificate,
  credentials: MarbleCredentials,
  marbleTypes: readonly string[],
): PeerMarble {
  return allowed(marbleOf(certificate, credentials), marbleTypes)
}

function allowed(peer: PeerMarble | undefined, marbleTypes: readonly string[]): PeerMarble {
  if (peer !== undefined && marbleTypes.includes(peer.marbleType)) return peer
  const found = peer === undefined ? 'no marble' : `a marble of type ${JSON.stringify(peer.marbleType)}`
  throw new MarbleError(
    'peer_unauthorized',
    `checking the peer of a TLS connection: it is ${found}; allowed are marbles of type ` +
      marbleTypes.map((type) => JSON.stringify(type)).join(', '),
  )
}

/**
 * Makes a TLS server (`node:tls`, `node:https`, `node:http2`) drop every connection that isn't from a marble of one of
 * these types. The server's own listeners never see such a connection; each is told as `tlsClientError`.
 */
export function admitOnly(
  server: Server,
  credentials: MarbleCredentials,
  marbleTypes: readonly string[],
): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean
  // A listener, even the first one, could only destroy the socket: those after it would still be called.
  server.emit = (event: string | symbol, ...values: unknown[]): boolean => {
    const [socket] = values
    if (event !== 'secureConnection') return emit(event, ...values)
    try {
      assert(socket instanceof TLSSocket, 'a secure connection is a TLSSocket')
      requireMarble(socket, credentials, marbleTypes)
    } catch (error) {
      if (socket instanceof Duplex) socket.destroy()
      return emit('tlsClientError', error, socket)
    }
    return emit(event, ...values)
  }
}

/** Common name and marble type of a certificate; undefined unless there is exactly one of each, in valid UTF-8. */
function fieldsOf(certificate: Uint8Array): { commonName: string; marbleType: string } | undefined {
  const outer = readElement(certificate, 0)
  const contents = outer === undefined ? undefined : readElement(outer.contents, 0)
  const fields = contents === undefined ? undefined : readAll(contents.contents)
  if (fields === undefined) return undefined
  // RFC 5280 section 4.1: [0] version, serial, algorithm, issuer, validity, subject, key, then [3] extensions.
  const subject = fields[5]
  const wrapper = fields.find(({ identifier }) => identifier === contextTag(3, true))
  const commonName = subject === undefined ? undefined : commonNameIn(subject.contents)
  const marbleType = wrapper === undefined ? undefined : marbleTypeIn(wrapper.contents)
  return commonName === undefined || marbleType === undefined ? undefined : { commonName, marbleType }
}

/** RDNSequence: SETs of { type, value }. */
function commonNameIn(subject: Uint8Array): string | undefined {
  const attributes = readAll(subject)?.flatMap((relative) => readAll(relative.contents) ?? []) ?? []
  return onlyValue(
    attributes.map((attribute) => attribute.contents),
    commonNameOid,
    [tag.utf8String, tag.printableString],
  )
}

/** Extensions: { id, critical?, OCTET STRING }. */
function marbleTypeIn(wrapper: Uint8Array): string | undefined {
  const extensions = readElement(wrapper, 0)
  const entries = extensions === undefined ? [] : (readAll(extensions.contents) ?? [])
  return onlyValue(
    entries.map((entry) => entry.contents),
    marbleTypeOid,
    [tag.octetString],
  )
}

/** The last element of the only entry that begins with `identifier`, as text. */
function onlyValue(
  entries: readonly Uint8Array[],
  identifier: Uint8Array,
  types: readonly number[],
): string | undefined {
  const found = entries.filter((entry) =>
    Buffer.from(entry.subarray(0, identifier.length)).equals(identifier),
  )
  const value = found.length === 1 ? readAll(found[0] ?? Uint8Array.of())?.at(-1) : undefined
  if (value === undefined || !types.includes(value.identifier)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value.contents)
  } catch {
    return undefined
  }
}
