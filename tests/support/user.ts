import { generateKeyPairSync } from 'node:crypto'
import { buildCertificate } from './x509-builder.ts'

/** PEM of a user's self-signed certificate, as manifests name it, and of its key. */
export function makeUser(name: string): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const validity = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2120-01-01T00:00:00Z') }
  const fields = { ...validity, issuer: name, subject: name, publicKey, extensions: [] }
  const base64 = Buffer.from(buildCertificate(fields, privateKey, 'ecdsa-sha384')).toString('base64')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
