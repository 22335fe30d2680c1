import { bytesFrom, type ByteString } from '../bytes.ts'
import { certificateType, rawOf } from '../certificate/certificate.ts'
import { privateKeyType, publicKeyType, secretBehind } from '../data.ts'
import { Fault } from '../error.ts'
import { bytesType, dataOf, stringValue, type GoValue } from '../values.ts'

type Operand = GoValue | undefined

function required(value: Operand): GoValue {
  if (value === undefined)
    throw new Fault('the value does not exist; is there a secret of that name in the manifest?')
  return value
}

function nonEmpty(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined || bytes.length === 0)
    throw new Fault('the value is empty; was the secret set, and does it have this part?')
  return bytes
}

/** The bytes that `hex`, `base64` and `raw` work on: a whole secret stands for its public part. */
function bytesOf(operand: Operand): Uint8Array {
  const value = required(operand)
  const secret = secretBehind(value)
  if (secret !== undefined) return nonEmpty(secret.public)
  if (value.kind === 'struct' && value.type === certificateType) return nonEmpty(rawOf(value))
  const isPart = value.type === privateKeyType || value.type === publicKeyType || value.type === bytesType
  if (value.kind === 'bytes' && isPart) return nonEmpty(dataOf(value))
  throw new Fault(
    `it takes a secret, its .Cert, .Public or .Private, or a field of bytes, not a ${value.type.name}`,
  )
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const bytesAsHex = (operand: Operand): GoValue => stringValue(buffer(bytesOf(operand)).toString('hex'))

export const bytesAsBase64 = (operand: Operand): GoValue =>
  stringValue(buffer(bytesOf(operand)).toString('base64'))

export const bytesAsIs = (operand: Operand): GoValue => stringValue(bytesFrom(bytesOf(operand)))

/** A part of a secret in PEM (RFC 7468): 64 characters a line. */
export function partAsPem(operand: Operand): GoValue {
  const value = required(operand)
  if (value.kind === 'struct' && value.type === certificateType)
    return stringValue(pem('CERTIFICATE', nonEmpty(rawOf(value))))
  if (value.kind === 'bytes' && value.type === publicKeyType)
    return stringValue(pem('PUBLIC KEY', nonEmpty(dataOf(value))))
  if (value.kind === 'bytes' && value.type === privateKeyType)
    return stringValue(pem('PRIVATE KEY', nonEmpty(dataOf(value))))
  throw new Fault(`it takes the .Cert, .Public or .Private of a secret, not a ${value.type.name}`)
}

function pem(label: string, bytes: Uint8Array): ByteString {
  const text = buffer(bytes).toString('base64')
  const lines: string[] = [`-----BEGIN ${label}-----`]
  for (let at = 0; at < text.length; at += 64) lines.push(text.slice(at, at + 64))
  lines.push(`-----END ${label}-----\n`)
  return lines.join('\n')
}

/** A plain secret as the text of an environment variable, which can't hold NUL. */
export function plainAsText(operand: Operand): GoValue {
  const secret = secretBehind(required(operand))
  if (secret?.type !== 'plain')
    throw new Fault('it takes a whole secret of type plain; use hex or base64 for others')
  const bytes = secret.private ?? new Uint8Array()
  if (bytes.includes(0))
    throw new Fault(
      'the secret contains a NUL byte, which no environment variable can hold; use hex or base64',
    )
  return stringValue(bytesFrom(nonEmpty(bytes)))
}
