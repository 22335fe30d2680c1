import { generateKeyPairSync } from 'node:crypto'
import { pino } from 'pino'
import { evidenceVerifier, NO_EVIDENCE_COLLATERAL } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { noEvidence } from '@taw/evidence'
import { OwnCollateral } from '../evidence/quote-collateral.ts'
import { EvidenceVerification } from '../evidence/verification.ts'
import { type LedgerOptions, openLedger } from '../ledger/open.ts'
import { optionsFor } from '../ledger/test-ledger.ts'
import { type Authority, createAuthority, importIssuer, type Issuer } from '../pki/authority.ts'
import { parseAuthorityNames } from '../pki/authority-names.ts'
import { pemEncode } from '../pki/pem.ts'
import { requestWith } from '../pki/test-requests.ts'
import { Refusal } from '../refusal.ts'
import { KeyPool } from '../secrets/key-pool.ts'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import type { UploadedSecret } from '../secrets/uploaded.ts'
import { initialState } from '../state/state.ts'
import { activateMarble } from './activate-marble.ts'
import type { Ports } from './ports.ts'

/** A Coordinator without its listeners: the operations on a real ledger. */
export interface TestDeployment extends AsyncDisposable {
  readonly ports: Ports
  /** Ends it, and opens what it left on disk. */
  readonly restart: () => Promise<void>
}

const names = parseAuthorityNames('localhost')
const start = new Date('2026-11-22T07:00:00Z')

/** Made once: what tests look at is what becomes of it. */
const authority = await createAuthority('P-256', names, start)

/** Without collateral, which no test of these operations needs. */
const verification = new EvidenceVerification(
  evidenceVerifier({ crypto: nodeCrypto, revocation: 'required' }),
  { forEvidence: () => Promise.resolve(NO_EVIDENCE_COLLATERAL) },
  () => start,
)

/** Nobody asks for it: there is no evidence. */
const noCollateral = new OwnCollateral(
  { bundleFor: () => Promise.reject(new TypeError('there is no evidence')) },
  1000,
  pino({ level: 'silent' }),
)

/** @param directory where it is sealed; nothing is there with seal mode `Disabled` */
export async function openDeployment(directory: string): Promise<TestDeployment> {
  const options: LedgerOptions = optionsFor(directory, {
    freshState: () => Promise.resolve(initialState(authority, new SecretBytes(Buffer.alloc(32, 7)))),
  })
  const open = async () => (await openLedger(options)).ledger
  const keyPool = new KeyPool({ isIdle: () => false })
  const issuers = new WeakMap<Authority, Issuer>()
  const ports = {
    ledger: await open(),
    sealed: undefined,
    keyPool,
    evidence: noEvidence,
    verification,
    collateral: noCollateral,
    issuer: (of: Authority) => {
      const issuer = issuers.get(of) ?? importIssuer(of)
      issuers.set(of, issuer)
      return issuer
    },
    names,
    curve: 'P-256' as const,
    simulation: true,
    now: () => start,
    log: pino({ level: 'silent' }),
  }
  return {
    ports,
    restart: async () => {
      await ports.ledger.close()
      ports.ledger = await open()
    },
    [Symbol.asyncDispose]: async () => {
      keyPool.close()
      await ports.ledger.close()
    },
  }
}

/** Somebody who can log in where a manifest has their certificate. */
export interface Person {
  readonly name: string
  readonly certificate: Uint8Array
  readonly pem: string
}

const person = async (name: string): Promise<Person> => {
  const { rootCertificate: certificate } = await createAuthority('P-256', names, start)
  return { name, certificate, pem: pemEncode('CERTIFICATE', certificate) }
}

/** Nobody's manifest has mallory. */
export const [alice, bob, carol, mallory] = await Promise.all([
  person('alice'),
  person('bob'),
  person('carol'),
  person('mallory'),
])
export const people: readonly Person[] = [alice, bob, carol, mallory]

/** PEM of RSA public keys of recovery parties. */
export const recoveryKeys: readonly string[] = [1, 2].map(() =>
  generateKeyPairSync('rsa', { modulusLength: 2048 })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString(),
)

const csr = requestWith()

/** An upload of a symmetric key or a plain secret. */
export const uploadedKey = (key: Uint8Array): UploadedSecret => ({
  key,
  certificate: undefined,
  private: undefined,
})

/** What a marble gets: its environment as text, and the certificate that it has from now on. */
export interface Activated {
  readonly env: Readonly<Record<string, string>>
  /** DER. */
  readonly certificate: Uint8Array
}

export async function activate(ports: Ports, marbleType: string, uuid: string): Promise<Activated> {
  const { env } = await activateMarble(
    { tlsCertificate: Buffer.of(), evidence: Buffer.of(), csr, marbleType, uuid, isAbandoned: () => false },
    ports,
  )
  const texts = Object.fromEntries([...env].map(([name, value]) => [name, Buffer.from(value).toString()]))
  const chain = texts['MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'] ?? ''
  const [pem = ''] = chain.split(/(?<=-----END CERTIFICATE-----\n)/)
  return { env: texts, certificate: Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64') }
}

/** What came of a request: its result, or the code of the refusal. */
export type Outcome<T> = { readonly result: T } | { readonly refused: string }

export async function outcomeOf<T>(work: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { result: await work() }
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.code }
    throw error
  }
}
