import { createPublicKey, type KeyObject } from 'node:crypto'
import { quoteName, type Path } from '../path.ts'
import { firstPemBlock } from '../pem.ts'
import type { Report } from '../report.ts'
import { entriesOf, mapEntries, type TopicContext } from './topic.ts'

/** Below this no recovery secret of 33 bytes fits (RFC 8017, section 7.1.1: OAEP with SHA-256 takes 66 bytes). */
const leastBits = 1024
const recommendedBits = 2048

/** Decodes `RecoveryKeys`: RSA public keys, in PEM as SubjectPublicKeyInfo. */
export function recoveryKeysOf({ source, report }: TopicContext): ReadonlyMap<string, string> {
  const owners = new Map<string, string>()
  return mapEntries(entriesOf('RecoveryKeys', source.RecoveryKeys, 'recoveryKeys', report), (pem, name) => {
    const path = ['RecoveryKeys', name]
    const key = readPublicKey(pem)
    if (typeof key === 'string')
      report.error(path, `must be an RSA public key in PEM ("-----BEGIN PUBLIC KEY-----"), but ${key}`)
    else if (key.asymmetricKeyType !== 'rsa') {
      report.error(path, `must be an RSA public key, but is of type "${key.asymmetricKeyType ?? 'unknown'}"`)
    } else {
      checkLength(key, path, report)
      warnOfSharedKey(key, name, owners, report)
    }
    return pem
  })
}

function checkLength(key: KeyObject, path: Path, report: Report): void {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < leastBits) report.error(path, `must have at least ${leastBits} bits, but has ${bits}`)
  else if (bits < recommendedBits)
    report.warn(path, `has ${bits} bits, but should have at least ${recommendedBits}`)
}

/** Several parties are to keep each other in check, which one who counts twice does not. */
function warnOfSharedKey(key: KeyObject, name: string, owners: Map<string, string>, report: Report): void {
  const der = key.export({ type: 'spki', format: 'der' }).toString('base64')
  const owner = owners.get(der)
  if (owner === undefined) owners.set(der, name)
  else {
    const effect = 'whoever holds it has the shares of both'
    report.warn(['RecoveryKeys', name], `is the key of ${quoteName(owner)} too: ${effect}`)
  }
}

/** The key, or what is wrong with the text. */
function readPublicKey(pem: string): KeyObject | string {
  if (pem === '') return 'is empty'
  const block = firstPemBlock(pem)
  if (block === undefined) return 'has no PEM block'
  if (block.label !== 'PUBLIC KEY') return `is a PEM block of the kind ${quoteName(block.label)}`
  try {
    return createPublicKey({ key: Buffer.from(block.content), format: 'der', type: 'spki' })
  } catch {
    return 'what the PEM block holds can not be read as a public key'
  }
}
