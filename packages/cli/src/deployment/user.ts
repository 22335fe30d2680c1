import { X509Certificate } from 'node:crypto'
import type { UserIdentity } from '@taw/client'
import type { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'
import { parsePrivateKey } from './private-key.ts'

/**
 * Reads the certificate and key that say which user calls.
 * The rules for the flags are the original's (golden/cli/behaviour.json, `userFlags`).
 */
export function readUserIdentity(flags: FlagValues): UserIdentity {
  const { cert, key } = checkFlags(flags)
  const certificate = readInput(cert, "the user's certificate").toString('utf8')
  const privateKey = readInput(key, "the user's private key").toString('utf8')
  const parsedKey = parsePrivateKey(privateKey, key)
  if (!parseCertificate(certificate, cert).checkPrivateKey(parsedKey)) {
    throw new CliError(
      `The private key in ${JSON.stringify(key)} does not belong to the certificate in ${JSON.stringify(cert)}`,
    )
  }
  return { certificate, privateKey }
}

function checkFlags(flags: FlagValues): { cert: string; key: string } {
  const given = (name: string): boolean => flags.string(name) !== undefined
  const cert = flags.string('cert')
  const key = flags.string('key')
  if ((cert === undefined) !== (key === undefined))
    throw new CliError('The flags --cert and --key are given together or not at all')
  if (cert !== undefined && key !== undefined) {
    const other = [
      'pkcs11-config',
      'pkcs11-key-id',
      'pkcs11-key-label',
      'pkcs11-cert-id',
      'pkcs11-cert-label',
    ].find(given)
    if (other === undefined) return { cert, key }
    throw new CliError(
      `The flag --${other} excludes --cert and --key: the user is in files or in a token, not in both`,
    )
  }
  if (!given('pkcs11-cert-id') && !given('pkcs11-cert-label')) {
    throw new CliError('This command acts for a user: give their certificate and key with --cert and --key')
  }
  if (!given('pkcs11-key-id') && !given('pkcs11-key-label')) {
    throw new CliError('The key in the token is not named: give --pkcs11-key-id or --pkcs11-key-label')
  }
  throw new CliError(
    'PKCS #11 tokens are not supported yet: give the certificate and key as files, with --cert and --key',
  )
}

function parseCertificate(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw new CliError(`The file ${JSON.stringify(file)} holds no PEM certificate that can be read`, {
      cause: error,
    })
  }
}
