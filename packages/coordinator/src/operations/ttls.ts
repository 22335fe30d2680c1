import type { TlsTag } from '../manifest/model.ts'
import { pemEncode } from '../pki/pem.ts'
import { Refusal } from '../refusal.ts'
import type { SecretValue } from '../secrets/value.ts'

/** PEM texts of the marble itself, which entries without a certificate of their own use. */
export interface MarbleCredentials {
  /** The marble root: what peers' certificates chain to. */
  readonly rootCa: string
  /** The marble's certificate alone, without the intermediate. */
  readonly certificate: string
  readonly privateKey: string
}

/**
 * `MARBLE_TTLS_CONFIG`: which ports and peers the marble's runtime must wrap in TLS, and with which credentials.
 * Members stand in the recorded order, entries in byte order of their names; a later entry for one port wins.
 *
 * @throws {@link Refusal} `secret_unset` when an entry's secret has no certificate or no private key
 */
export function ttlsConfig(
  tags: readonly (readonly [name: string, tag: TlsTag])[],
  marble: MarbleCredentials,
  secrets: ReadonlyMap<string, SecretValue>,
): string {
  const incoming = new Map<string, unknown>()
  const outgoing = new Map<string, unknown>()
  for (const [name, tag] of tags) {
    for (const { port, cert, disableClientAuth } of tag.incoming) {
      const own = cert === undefined ? marble : secretCredentials(name, port, cert, secrets.get(cert))
      incoming.set(`*:${port}`, {
        cacrt: marble.rootCa,
        clicrt: own.certificate,
        clientAuth: !disableClientAuth,
        clikey: own.privateKey,
      })
    }
    for (const { addr, port } of tag.outgoing) {
      outgoing.set(`${addr}:${port}`, {
        cacrt: marble.rootCa,
        clicrt: marble.certificate,
        clikey: marble.privateKey,
      })
    }
  }
  return JSON.stringify({ tls: { Incoming: sorted(incoming), Outgoing: sorted(outgoing) } })
}

function secretCredentials(
  tag: string,
  port: string,
  secret: string,
  value: SecretValue | undefined,
): Pick<MarbleCredentials, 'certificate' | 'privateKey'> {
  if (value?.certificate === undefined || value.private.length === 0) {
    const lack = value === undefined ? 'has no value yet' : 'has no certificate with a private key'
    throw new Refusal(
      'secret_unset',
      `TLS tag "${tag}" shows the certificate of secret "${secret}" on port ${port}, but that ${lack}; upload both`,
    )
  }
  return {
    certificate: pemEncode('CERTIFICATE', value.certificate),
    privateKey: pemEncode('PRIVATE KEY', value.private.reveal()),
  }
}

function sorted(entries: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries([...entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
}
