import {
  KEY_USAGE,
  alternativeNames,
  buildCertificate,
  certificateAuthority,
  keyUsage,
  pem,
} from '../encoding/x509.ts'
import type { Issuer, Name } from '../encoding/x509.ts'
import { newSerial, p256Key } from '../intel/authorities.ts'

/** PEM. */
export interface ServerIdentity {
  /** For clients to trust. */
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/**
 * A CA, and a certificate of it for `localhost` and IPv4 addresses of four bytes, by default 127.0.0.1. By the machine's clock: TLS knows no other.
 */
export function serverIdentity(addresses: readonly Uint8Array[] = [Buffer.of(127, 0, 0, 1)]): ServerIdentity {
  const days = (count: number): Date => new Date(Date.now() + count * 24 * 60 * 60 * 1000)
  const dates = { notBefore: days(-1), notAfter: days(365) }
  const name: Name = [['CN', 'tee-kit service CA']]
  const issuer: Issuer = { name, key: p256Key(), signature: 'ecdsa-sha256' }
  const key = p256Key()
  const ca = buildCertificate(
    {
      ...dates,
      serial: newSerial(),
      subject: name,
      publicKey: issuer.key.publicKey,
      extensions: [certificateAuthority(0), keyUsage(KEY_USAGE.keyCertSign)],
    },
    issuer,
  )
  const certificate = buildCertificate(
    {
      ...dates,
      serial: newSerial(),
      subject: [['CN', 'localhost']],
      publicKey: key.publicKey,
      extensions: [alternativeNames(['localhost'], addresses), keyUsage(KEY_USAGE.digitalSignature)],
    },
    issuer,
  )
  return {
    ca: pem(ca),
    certificate: pem(certificate),
    key: key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}
