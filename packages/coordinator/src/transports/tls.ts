import { constants } from 'node:crypto'
import type { SecureContextOptions, TLSSocket, TlsOptions } from 'node:tls'
import { limits } from '../limits.ts'
import { pemEncode } from '../pki/pem.ts'

/** What a listener shows: its certificate, and the key that belongs to it. */
export interface ServerIdentity {
  /** DER. */
  readonly certificate: Uint8Array
  /** PKCS #8 DER. */
  readonly privateKey: Uint8Array
}

/** Whether clients are offered tickets, with which a later connection can take up where this one was. */
export type Resumption = 'tickets' | 'none'

/**
 * TLS of both listeners: 1.2 or newer, any client certificate is taken. Its chain is not checked here: a user is
 * known by the exact certificate, a marble by its evidence.
 */
export function tlsOptions(
  identity: ServerIdentity,
  resumption: Resumption,
): TlsOptions & SecureContextOptions {
  return {
    ...contextOptions(identity, resumption),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: limits.tlsHandshakeMs,
    // Else the last packet of an answer waits for the delayed acknowledgement of the one before: 40 ms.
    noDelay: true,
  }
}

/**
 * All of it is needed again whenever the identity changes: Node keeps nothing of a former context, and what is missing
 * falls back to its defaults.
 */
export function contextOptions(identity: ServerIdentity, resumption: Resumption): SecureContextOptions {
  return {
    cert: pemEncode('CERTIFICATE', identity.certificate),
    key: pemEncode('PRIVATE KEY', identity.privateKey),
    minVersion: 'TLSv1.2',
    // What is recorded today must stay secret: the hybrid exchange first (spec/secrets.md, "Which curve").
    ecdhCurve: 'X25519MLKEM768:X25519:P-256:P-384:P-521',
    // Whoever a connection belongs to, it belongs to for good; and another handshake is the dearest thing to ask for.
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | (resumption === 'none' ? constants.SSL_OP_NO_TICKET : 0),
  }
}

/** DER of the certificate that the peer of this connection holds the key of. */
export function peerCertificate(socket: TLSSocket): Uint8Array | undefined {
  return socket.getPeerX509Certificate()?.raw
}
