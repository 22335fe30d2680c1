import { X509Certificate } from 'node:crypto'
import type { SecretAnswer } from '@taw/client'

/** Columns of a label (golden/cli/behaviour.json, `secret get`). */
const labelWidth = 14

/** A secret for people to read: its name, a line for each part after a tab, an empty line. Bytes in decimal. */
export function describeSecret(name: string, secret: SecretAnswer): string {
  const lines = parts(secret).map(([label, value]) => `\t${`${label}:`.padEnd(labelWidth)} ${value}\n`)
  return `${name}:\n${lines.join('')}\n`
}

function parts(secret: SecretAnswer): readonly (readonly [string, string])[] {
  const type = ['Type', secret.type] as const
  if (secret.type === 'plain') return [type, ['Data', decimal(secret.privateKey)]]
  const userDefined = ['UserDefined', String(secret.userDefined)] as const
  const size = ['Size', String(secret.size)] as const
  if (secret.type === 'symmetric-key') return [type, userDefined, size, ['Key', decimal(secret.privateKey)]]
  return [
    type,
    userDefined,
    ...(secret.type === 'cert-ed25519' ? [] : [size]),
    ['Valid For', String(secret.validFor)],
    ['Certificate', describeCertificate(secret.certificate)],
    ['Public Key', decimal(secret.publicKey)],
    ['Private Key', decimal(secret.privateKey)],
  ]
}

const decimal = (bytes: Uint8Array | undefined): string => `[${(bytes ?? []).join(' ')}]`

function describeCertificate(der: Uint8Array | undefined): string {
  if (der === undefined || der.length === 0) return '<not set>'
  try {
    const { subject, issuer, serialNumber, validFrom, validTo, fingerprint256 } = new X509Certificate(der)
    const text = `subject ${subject}, issuer ${issuer}, serial ${serialNumber}, ${validFrom} to ${validTo}, SHA-256 ${fingerprint256}`
    return text.replaceAll(/\s+/g, ' ')
  } catch {
    return '<not a certificate that can be read>'
  }
}
