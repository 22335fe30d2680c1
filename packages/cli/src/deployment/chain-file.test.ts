import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { ClientError, parseAddress, parseCertificateChain, parseEraConfig, verifyEvidence } from '@taw/client'
import type { VerifiedCoordinator } from '@taw/client'
import { makeCoordinatorPki } from '../../../../tests/support/coordinator-pki.ts'
import { FlagValues } from '../arguments/flag.ts'
import type { Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { chainFile, checkAgainstPinned, pinChain, readPinnedChain } from './chain-file.ts'

const home = mkdtempSync(path.join(tmpdir(), 'taw-chain-'))
after(() => {
  rmSync(home, { recursive: true })
})
const address = parseAddress('localhost:4433')

/** An invocation without flags, and what it said on stderr. */
function invocation(): Invocation & { readonly said: string[] } {
  const said: string[] = []
  return {
    env: { HOME: home },
    args: [],
    flags: new FlagValues(),
    stdout: () => undefined,
    stderr: (line) => void said.push(line),
    exit: (code) => assert.fail(`exit ${code}`),
    said,
  }
}

/** Another deployment each time; verified by a verifier that accepts every quote, or not at all. */
function coordinator(insecure: boolean): Promise<VerifiedCoordinator> {
  const pki = makeCoordinatorPki()
  const chain = parseCertificateChain(pki.intermediate + pki.root, 'the test')
  const evidence = {
    chain,
    quote: Buffer.from('quote'),
    collateral: undefined,
    serverCertificate: chain.root.raw,
  }
  const identity = parseEraConfig(JSON.stringify({ UniqueID: '00'.repeat(32) }), 'the test')
  const policy = { package: identity }
  return verifyEvidence(
    address,
    evidence,
    new Uint8Array(),
    insecure ? { insecure } : { insecure, policy, verifyQuote: () => Promise.resolve() },
  )
}

test('a pinned chain is read again; one without verification is marked until a verified one replaces it', async () => {
  const unverified = await coordinator(true)
  pinChain(invocation(), unverified)
  const warned = invocation()
  assert.equal(readPinnedChain(warned, address).pem, unverified.chain.pem)
  assert.match(warned.said.join('\n'), /INSECURE/)

  const attested = await coordinator(false)
  const replacing = invocation()
  pinChain(replacing, attested)
  assert.match(replacing.said.join('\n'), /in place of another deployment/)
  const silent = invocation()
  assert.equal(readPinnedChain(silent, address).pem, attested.chain.pem)
  assert.deepEqual(silent.said, [])
  assert.ok(!existsSync(`${chainFile(silent, address)}.insecure`))
  assert.equal(readFileSync(chainFile(silent, address), 'utf8'), attested.chain.pem)
})

test('a genuine Coordinator that is another deployment than the pinned one is refused', async () => {
  const attested = await coordinator(false)
  pinChain(invocation(), attested)
  checkAgainstPinned(invocation(), attested)
  const other = await coordinator(false)
  assert.throws(() => {
    checkAgainstPinned(invocation(), other)
  }, CliError)
  const insecure = invocation()
  insecure.flags.set({ name: 'insecure', type: 'bool', means: '' }, true)
  checkAgainstPinned(insecure, other)
})

test('each deployment has a file of its own', () => {
  const names = ['localhost:4433', 'localhost:4434', 'a_1:2', 'a:12', '[::1]:4433', 'LOCALHOST:4433'].map(
    (text) => path.basename(chainFile(invocation(), parseAddress(text))),
  )
  assert.deepEqual(names, [
    'localhost_4433.pem',
    'localhost_4434.pem',
    'a_1_2.pem',
    'a_12.pem',
    '::1_4433.pem',
    'localhost_4433.pem',
  ])
  assert.throws(() => parseAddress('../../etc:1'), ClientError)
})
