import { X509Certificate, createPrivateKey } from 'node:crypto'
import { CliError } from '../errors.ts'

/** A certificate secret as it is uploaded: base64 of DER. */
export interface PemSecret {
  readonly Cert?: string
  /** PKCS #8. */
  readonly Private?: string
}

// RFC 7468, section 3; the label at the end must be that of the beginning.
const block = /-----BEGIN ([^-\r\n]+)-----([\s\S]*?)-----END \1-----/g

/**
 * Takes the first certificate and the first private key of a PEM file, in either order; what follows both does not
 * matter. Keys in other forms than PKCS #8 are converted, encrypted ones refused.
 * @throws CliError if there is neither, or another block (a second certificate too) stands before both are found
 */
export function readPemSecret(text: string, file: string): PemSecret {
  const where = `The PEM file ${JSON.stringify(file)}`
  let certificate: string | undefined
  let privateKey: string | undefined
  for (const [pem, label = '', body = ''] of text.matchAll(block)) {
    if (certificate !== undefined && privateKey !== undefined) break
    if (label === 'CERTIFICATE' && certificate === undefined) certificate = readCertificate(pem, where)
    else if (label.includes('PRIVATE') && privateKey === undefined)
      privateKey = readKey(pem, label, body, where)
    else {
      throw new CliError(
        `${where} has a block ${JSON.stringify(label)} before a certificate and its private key are complete; leave only these two`,
      )
    }
  }
  if (certificate === undefined && privateKey === undefined) {
    throw new CliError(`${where} holds neither a CERTIFICATE nor a PRIVATE KEY block`)
  }
  return {
    ...(certificate !== undefined && { Cert: certificate }),
    ...(privateKey !== undefined && { Private: privateKey }),
  }
}

function readCertificate(pem: string, where: string): string {
  try {
    return new X509Certificate(pem).raw.toString('base64')
  } catch (error) {
    throw new CliError(`${where} has a CERTIFICATE block that can't be read`, { cause: error })
  }
}

function readKey(pem: string, label: string, body: string, where: string): string {
  // PKCS #8 goes out as it stands: whether it fits its certificate is for the Coordinator to say.
  if (label === 'PRIVATE KEY') return body.replaceAll(/\s/g, '')
  try {
    return createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }).toString('base64')
  } catch (error) {
    throw new CliError(
      `${where} has a block ${JSON.stringify(label)} that can't be read as a private key; keys must not be encrypted`,
      { cause: error },
    )
  }
}
