import { X509Certificate } from 'node:crypto'
import { ClientError } from './errors.ts'

/**
 * The Coordinator's certificates: intermediate first, root last (spec: `GET /api/v2/quote`). Only
 * {@link parseCertificateChain} makes one, so the signatures up to the self-signed root have been checked. That the
 * root belongs to a genuine Coordinator has not: that is what verification and pinning are for.
 */
export class CertificateChain {
  readonly #certificates: readonly X509Certificate[]
  readonly root: X509Certificate

  /** For {@link parseCertificateChain} only. */
  constructor(certificates: readonly X509Certificate[], root: X509Certificate) {
    this.#certificates = certificates
    this.root = root
  }

  /** PEM of the whole chain, intermediate then root, each block ended by a newline. */
  get pem(): string {
    return this.#certificates.map(toPem).join('')
  }

  get rootPem(): string {
    return toPem(this.root)
  }

  /** PEM of the first certificate, which signs the marbles' certificates; undefined in a chain of the root alone. */
  get intermediatePem(): string | undefined {
    const [first] = this.#certificates
    return first === undefined || first === this.root ? undefined : toPem(first)
  }

  /** Whether this is the very certificate (DER) of the root. */
  isRoot(certificate: Uint8Array): boolean {
    return this.root.raw.equals(certificate)
  }
}

/** An intermediate and a root are what a Coordinator has; a few more leave room without inviting abuse. */
const maxCertificates = 8

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g

/**
 * @param pem certificates in PEM, each signed by the next, the last by itself. Nothing but white space between them
 * @param source what the text is, for the error: `the answer of …`, `the file "…"`
 * @throws ClientError `chain_invalid`
 */
export function parseCertificateChain(pem: string, source: string): CertificateChain {
  const fail = (problem: string, cause?: unknown): never => {
    throw new ClientError('chain_invalid', `The certificate chain from ${source} ${problem}`, { cause })
  }
  const blocks = pem.match(block) ?? []
  if (blocks.length === 0) fail('holds no PEM certificate')
  if (blocks.length > maxCertificates)
    fail(`holds ${blocks.length} certificates; ${maxCertificates} are the most`)
  if (pem.replaceAll(block, '').trim() !== '') fail('holds something besides PEM certificates')
  const certificates = blocks.map((text, index) => {
    try {
      return new X509Certificate(text)
    } catch (error) {
      return fail(`can't be read: certificate ${index + 1} is damaged`, error)
    }
  })
  const root = certificates.at(-1) ?? fail('holds no PEM certificate')
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1] ?? root
    if (!issuer.ca || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      fail(
        certificate === root
          ? 'does not end in a self-signed CA certificate, as it should: intermediate first, root last'
          : `is broken: certificate ${index + 1} is not signed by certificate ${index + 2}`,
      )
    }
  }
  return new CertificateChain(certificates, root)
}

/** X509Certificate.toString gives PEM ended by a newline, with 64 columns. */
const toPem = (certificate: X509Certificate): string => certificate.toString()
