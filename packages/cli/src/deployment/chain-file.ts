import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { formatAddress, parseCertificateChain } from '@taw/client'
import type { Address, CertificateChain, VerifiedCoordinator } from '@taw/client'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { readInputIfPresent, storeFile } from '../output/files.ts'

const what = 'the pinned certificate chain'

/** Where the chain of this deployment is pinned: `--coordinator-cert`, or a file of its own in the config folder. */
export function chainFile(invocation: Invocation, address: Address): string {
  const given = invocation.flags.string('coordinator-cert')
  if (given !== undefined && given !== '') return given
  // The port has digits only, and a host no slash, so each deployment has one name, and each name one deployment.
  const name = `${address.host}_${address.port}.pem`
  return path.join(configFolder(invocation), 'taw', 'coordinators', name)
}

/** `$XDG_CONFIG_HOME`, else `$HOME/.config` (XDG Base Directory Specification). */
function configFolder({ env }: Invocation): string {
  const xdg = env['XDG_CONFIG_HOME'] ?? ''
  const home = env['HOME'] ?? ''
  const advice = 'name the file with --coordinator-cert, or set one of them'
  if (xdg === '' && home === '') {
    throw new CliError(
      `The folder for pinned certificates is unknown: neither XDG_CONFIG_HOME nor HOME is set; ${advice}`,
    )
  }
  if (xdg !== '' && !path.isAbsolute(xdg)) {
    throw new CliError(
      `The folder for pinned certificates can't be used: XDG_CONFIG_HOME ${JSON.stringify(xdg)} is not an absolute path`,
    )
  }
  return xdg === '' ? path.join(home, '.config') : xdg
}

/** The pinned chain, with a warning if it was pinned without verification. */
export function readPinnedChain(invocation: Invocation, address: Address): CertificateChain {
  const chain = readPinnedChainIfPresent(invocation, address)
  if (chain !== undefined) return chain
  const file = chainFile(invocation, address)
  throw new CliError(
    `There is no pinned certificate chain for ${formatAddress(address)} in ${JSON.stringify(file)}: ` +
      "run 'taw manifest verify' (or 'manifest set') first, or give --coordinator-cert",
  )
}

export function readPinnedChainIfPresent(
  invocation: Invocation,
  address: Address,
): CertificateChain | undefined {
  const file = chainFile(invocation, address)
  const pem = readInputIfPresent(file, what)
  if (pem === undefined) return undefined
  if (existsSync(insecureMark(file))) {
    invocation.stderr(
      `Warning: INSECURE: the chain in ${JSON.stringify(file)} was pinned without verification (--insecure)`,
    )
  }
  return parseCertificateChain(pem.toString('utf8'), `the file ${JSON.stringify(file)}`)
}

/**
 * Pins the chain of this deployment: later commands trust its root and no other. A chain that was not attested gets a
 * mark beside it, so that those commands can say so (the PEM file itself holds certificates and nothing else).
 */
export function pinChain(invocation: Invocation, coordinator: VerifiedCoordinator): void {
  const { address, chain, assurance } = coordinator
  const file = chainFile(invocation, address)
  const former = readInputIfPresent(file, what)?.toString('utf8')
  const mark = insecureMark(file)
  // The mark comes first and goes last: a chain that nobody verified never stands without it.
  if (assurance !== 'attested') storeFile(mark, 'pinned with --insecure: nothing was verified\n', what)
  storeFile(file, chain.pem, what)
  if (assurance === 'attested') rmSync(mark, { force: true })
  const replaced = former !== undefined && !former.includes(chain.rootPem)
  invocation.stderr(
    `Pinned the Coordinator's certificate chain in ${JSON.stringify(file)}${replaced ? ', in place of another deployment' : ''}`,
  )
}

const insecureMark = (file: string): string => `${file}.insecure`

/**
 * A genuine Coordinator may still be another deployment than the one that was verified here before: that is an error
 * unless the user replaces the pinned chain. With --insecure the pinned chain is not read.
 */
export function checkAgainstPinned(invocation: Invocation, { address, chain }: VerifiedCoordinator): void {
  if (invocation.flags.bool('insecure')) return
  const pinned = readPinnedChainIfPresent(invocation, address)
  if (pinned === undefined || pinned.isRoot(chain.root.raw)) return
  throw new CliError(
    `The Coordinator at ${formatAddress(address)} is genuine, but another deployment than the pinned one. ` +
      "If it is the one that you mean, pin it with 'taw manifest verify'",
  )
}
