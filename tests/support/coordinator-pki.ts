import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Certificates as a Coordinator has them, all PEM. */
export interface CoordinatorPki {
  readonly root: string
  readonly rootKey: string
  readonly intermediate: string
  /** A server certificate that the root signed; no Coordinator shows one. */
  readonly leaf: string
  readonly leafKey: string
}

/** About 292 years, as the Coordinator's own (spec/secrets.md, "PKI"). */
const days = '106751'
const localNames = 'DNS:localhost,IP:127.0.0.1,IP:::1'
const usages = ['keyUsage=critical,digitalSignature,keyCertSign', 'extendedKeyUsage=serverAuth,clientAuth']

/**
 * Makes a root, an intermediate and a leaf with the openssl command: certificates from other hands than ours.
 * @param names subject alternative names in openssl's notation
 */
export function makeCoordinatorPki(curve: 'P-256' | 'P-384' = 'P-256', names = localNames): CoordinatorPki {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-pki-'))
  const file = (name: string): string => path.join(folder, name)
  const issue = (name: string, commonName: string, ca: boolean, issuer?: string): void => {
    const extensions = [
      `subjectAltName=${names}`,
      ...usages,
      `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`,
    ]
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      `ec_paramgen_curve:${curve}`,
      '-nodes',
      '-days',
      days,
    ]
    args.push('-subj', `/CN=${commonName}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`))
    args.push(...extensions.flatMap((extension) => ['-addext', extension]))
    if (issuer !== undefined) args.push('-CA', file(`${issuer}.crt`), '-CAkey', file(`${issuer}.key`))
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  try {
    issue('root', 'MarbleRun Coordinator', true)
    issue('intermediate', 'MarbleRun Coordinator - Intermediate CA', true, 'root')
    issue('leaf', 'localhost', false, 'root')
    const read = (name: string): string => readFileSync(file(name), 'utf8')
    return {
      root: read('root.crt'),
      rootKey: read('root.key'),
      intermediate: read('intermediate.crt'),
      leaf: read('leaf.crt'),
      leafKey: read('leaf.key'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
