import { requireChainValidAt, verifyChainSignatures } from '../core/chain.ts'
import { ChainCache } from '../core/chain-cache.ts'
import type { KeyedChain } from '../core/chain-cache.ts'
import { Checks } from '../core/checks.ts'
import { COSE_ALGORITHMS, signedBytes } from '../core/cose.ts'
import { earliest } from '../core/dates.ts'
import type { CryptoPort } from '../core/crypto.ts'
import { EvidenceInvalid, decoding } from '../core/errors.ts'
import { markVerified } from '../core/result.ts'
import type { Check, Verified } from '../core/result.ts'
import { parseCertificate } from '../core/x509.ts'
import type { Certificate } from '../core/x509.ts'
import { parseNitroDocument } from './document.ts'
import type { NitroDocument, NitroMessage } from './document.ts'
import { genuineNitroRoots } from './root.ts'

export interface NitroVerifierOptions {
  /** `nodeCrypto` or `webCrypto`. */
  readonly crypto: CryptoPort
  /** Default: AWS's own, {@link genuineNitroRoots}. Others are for test PKIs. */
  readonly anchors?: readonly Certificate[]
  /** How many verified certificate chains are remembered; default 1024. */
  readonly cacheEntries?: number
}

/** What a verified Nitro document says. */
export interface NitroClaims extends NitroDocument {
  readonly kind: 'nitro-document'
  /** The root that the evidence chains to, DER. */
  readonly rootCa: Uint8Array
  /** The time that the verification is for. */
  readonly verifiedAt: Date
  /** From when on a certificate is not valid any more; the enclave's own lives for about three hours. */
  readonly validUntil: Date
  /** Everything that was checked, in order. */
  readonly checks: readonly Check[]
}

/** Verifies AWS Nitro Enclaves attestation documents, and remembers verified certificate chains between calls. */
export interface NitroVerifier {
  /**
   * Verifies a document at a time: that a Nitro hypervisor signed it, whose certificate leads to AWS's root, and that all
   * certificates are valid then. What the document says is then true; whether it is what you want is for
   * {@link appraiseNitro} to say: that of a debug enclave verifies too.
   *
   * @param document COSE_Sign1, with tag 18 or without, as the Nitro Secure Module gives it
   * @throws EvidenceInvalid `document-format`, `document-algorithm`, `certificate-chain` or `document-signature`
   */
  readonly verifyDocument: (document: Uint8Array, at: Date) => Promise<Verified<NitroClaims>>
}

export function nitroVerifier(options: NitroVerifierOptions): NitroVerifier {
  const trust: NitroTrust = {
    crypto: options.crypto,
    anchors: options.anchors ?? genuineNitroRoots(),
    chains: new ChainCache(options.crypto, 'ecdsa-p384-sha384', options.cacheEntries),
  }
  return { verifyDocument: (document, at) => verifyDocument(Uint8Array.from(document), at, trust) }
}

interface NitroTrust {
  readonly crypto: CryptoPort
  readonly anchors: readonly Certificate[]
  readonly chains: ChainCache
}

/** ES384 (RFC 9053, 2.1), the only algorithm of AWS's documents. */
const ES384 = -35

const CHAIN = { check: 'certificate-chain', what: 'certificate chain of the Nitro document' } as const

async function verifyDocument(
  bytes: Uint8Array,
  at: Date,
  trust: NitroTrust,
): Promise<Verified<NitroClaims>> {
  const checks = new Checks()
  return checks.run(async () => {
    const message = parseNitroDocument(bytes)
    checks.passed('document-format')
    const { algorithm } = message.cose
    checks.requireEqual('document-algorithm', {
      message: 'the Nitro document names another signature algorithm',
      expected: `${ES384} (ES384)`,
      found: `${algorithm} (${COSE_ALGORITHMS.get(algorithm)?.name ?? 'unknown'})`,
    })
    const { chain, key } = await verifyCertificates(message, trust)
    requireChainValidAt(chain, at, CHAIN)
    checks.passed(CHAIN.check, { found: `${chain.certificates.length} certificates` })
    checks.require(
      'document-signature',
      await trust.crypto.verify(key, signedBytes(message.cose), message.cose.signature),
      () => ({
        message: 'verifying the Nitro document: its signature is wrong',
        expected: 'a signature over the document by the key of the certificate in it',
        found: 'another one',
        remedy: 'get a new document from the enclave, and pass it on unchanged',
      }),
    )
    return markVerified<NitroClaims>({
      kind: 'nitro-document',
      ...message.document,
      rootCa: chain.anchor.raw,
      verifiedAt: new Date(at),
      validUntil: earliest(chain.certificates.map(({ notAfter }) => notAfter)),
      checks: checks.list,
    })
  })
}

/** The chain from the document's certificate to a trusted root: signatures, names and constraints, not the dates. */
async function verifyCertificates(
  { certificate, cabundle }: NitroMessage,
  { crypto, anchors, chains }: NitroTrust,
): Promise<KeyedChain> {
  const keyed = await chains.chainOf([certificate, ...cabundle], async () => {
    const certificates = decoding(CHAIN.check, 'a certificate of the Nitro document', () =>
      // The bundle has the root first; chains go from the leaf upwards.
      [certificate, ...cabundle.toReversed()].map(parseCertificate),
    )
    const chain = await verifyChainSignatures(crypto, certificates, { ...CHAIN, anchors })
    requireSigningCertificate(chain.leaf)
    return chain
  })
  if (keyed) return keyed
  throw new EvidenceInvalid(CHAIN.check, {
    message: "the Nitro document's certificate has another kind of key",
    expected: 'a key of P-384',
    found: 'another one',
  })
}

/** AWS Nitro Enclaves, attestation_process.md: the enclave's certificate is for signatures, and is no authority. */
function requireSigningCertificate({ keyUsage, basicConstraints }: Certificate): void {
  if (keyUsage?.digitalSignature === true && basicConstraints?.ca !== true) return
  throw new EvidenceInvalid(CHAIN.check, {
    message: `verifying the ${CHAIN.what}: its first certificate is not for signing documents`,
    expected: 'keyUsage with digitalSignature, and no authority',
    found: basicConstraints?.ca === true ? 'a certificate authority' : 'keyUsage without it',
  })
}
