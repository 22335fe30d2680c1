/**
 * What a stranger can make the Coordinator spend: every bound that holds before, or without, authentication.
 * Bounds of one decoder stand with it: `manifest/limits.ts`, `templates/limits.ts`.
 */
export const limits = {
  /** Bytes of one gRPC request message; grpc-go's default, which the original has. */
  meshMessageBytes: 4 * 1024 * 1024,
  /** Bytes of one request body of the client API. A manifest of 24 MiB fits, in base64. */
  restBodyBytes: 33 * 1024 * 1024,
  /**
   * Bytes of all requests on one listener that are not answered yet. Beyond it, those are refused that are not whole and
   * take longest, so that clients who send what they have are served while others fill the memory.
   */
  arrivingBytes: { mesh: 64 * 1024 * 1024, rest: 132 * 1024 * 1024 },
  /**
   * Bytes of all answers of one listener that their clients have not fetched yet. Beyond it, the connections or streams
   * of the oldest are closed.
   */
  leavingBytes: 128 * 1024 * 1024,
  /**
   * Bytes that an open request takes besides its body and its header fields (measured: about 8,000 for a stream of
   * HTTP/2).
   */
  openRequestBytes: 8 * 1024,
  /** Bytes of all header fields of one request, client API and mesh API. */
  headerBytes: 16 * 1024,
  /** Milliseconds from the TCP connection to the end of the TLS handshake. */
  tlsHandshakeMs: 10_000,
  /** Milliseconds in which the header of an HTTP/1.1 request must arrive. */
  headersTimeoutMs: 10_000,
  /** Milliseconds in which a whole HTTP/1.1 request must arrive. */
  requestTimeoutMs: 60_000,
  /** Milliseconds between two looks for HTTP/1.1 requests that are late. */
  lateRequestsMs: 1000,
  /** Milliseconds without any byte after which a connection is closed. */
  idleTimeoutMs: 120_000,
  /** Requests at the same time on one HTTP/2 connection. */
  concurrentStreams: 128,
  /**
   * Connections at the same time on one listener, or half of what the process may open. Beyond it, the oldest one is
   * closed of the address that has most.
   */
  connections: 10_000,
  /** Bytes of all shared symmetric keys of a manifest; the state holds them. */
  sharedKeyBytes: 64 * 1024 * 1024,
  /** Work for all shared certificates of a manifest, in RSA keys of 2048 bits: about half a minute. */
  sharedCertificateWork: 1000,
  /** Bytes of the name of a monotonic counter, UTF-8. */
  counterNameBytes: 4096,
  /** Milliseconds that the answer to `/quote` waits for the collateral of the quote. */
  quoteCollateralMs: 3000,
  /** Milliseconds that a shutdown waits for requests under way. */
  shutdownMs: 10_000,
} as const
