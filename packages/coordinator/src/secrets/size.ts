import type { SecretDefinition } from '../manifest/model.ts'
import type { KeyKind } from '../pki/key-pair.ts'

/** Sizes that secrets may have. Those without a source are ours. */
export const sizeLimits = {
  /** HKDF-SHA-256 ends at 255 blocks of 32 bytes (RFC 5869, 2.3); bits. */
  derivedKeyBits: 255 * 32 * 8,
  /** Shared keys are random; the state holds each of them, and each update writes it anew; bits (1 MiB). */
  randomKeyBits: 8 * 1024 * 1024,
  /** What the original takes at least; weak below 2048, which the manifest's check warns of. */
  smallestRsaBits: 1024,
  /** Making one takes about 20 s of one core, and nothing can break it off. */
  largestRsaBits: 8192,
} as const

const curvesBySize = new Map<number, KeyKind>([
  [224, 'P-224'],
  [256, 'P-256'],
  [384, 'P-384'],
  [521, 'P-521'],
])

type Sized = Pick<SecretDefinition, 'type' | 'size' | 'shared'>

/** What kind of key a certificate secret has; undefined for other secrets, and for sizes that there are not. */
export function keyKindOf(definition: Sized): KeyKind | undefined {
  if (sizeProblem(definition) !== undefined) return undefined
  switch (definition.type) {
    case 'cert-rsa':
      return `RSA-${definition.size}`
    case 'cert-ecdsa':
      return curvesBySize.get(definition.size)
    case 'cert-ed25519':
      return 'Ed25519'
    case 'symmetric-key':
    case 'plain':
      return undefined
  }
}

/** What is wrong with the size of a secret, undefined when it fits the type. */
export function sizeProblem({ type, size, shared }: Sized): string | undefined {
  switch (type) {
    case 'symmetric-key':
      return symmetricProblem(size, shared)
    case 'cert-rsa':
      return rsaProblem(size)
    case 'cert-ecdsa':
      return curvesBySize.has(size) ? undefined : `is ${size}, but ECDSA keys have 224, 256, 384 or 521 bits`
    case 'cert-ed25519':
      return size === 0 ? undefined : `is ${size}, but all Ed25519 keys have the same size: leave it out`
    case 'plain':
      return undefined
  }
}

function symmetricProblem(size: number, shared: boolean): string | undefined {
  if (size === 0 || size % 8 !== 0) return `is ${size}, but must be a positive multiple of 8 (bits)`
  const largest = shared ? sizeLimits.randomKeyBits : sizeLimits.derivedKeyBits
  const why = shared ? 'shared keys' : 'private keys, which are derived,'
  return size > largest ? `is ${size}, but ${why} have at most ${largest} bits` : undefined
}

function rsaProblem(size: number): string | undefined {
  const { smallestRsaBits, largestRsaBits } = sizeLimits
  const fits = size >= smallestRsaBits && size <= largestRsaBits
  return fits ? undefined : `is ${size}, but RSA keys have ${smallestRsaBits} to ${largestRsaBits} bits`
}
