import { createHash } from 'node:crypto'
import { CliError } from '../errors.ts'

// SIGSTRUCT (Intel SDM volume 3D, table 39-19): what the signer of an enclave says about it. Offsets in bytes.

const LENGTH = 1808
const FIRST_HEADER = Buffer.from('06000000e10000000000010000000000', 'hex')
const SECOND_HEADER = { offset: 24, bytes: Buffer.from('01010000600000006000000001000000', 'hex') } as const
const MODULUS = { offset: 128, length: 384 } as const
const ENCLAVE_HASH = { offset: 960, length: 32 } as const
const PRODUCT_ID = 1024
const SECURITY_VERSION = 1026

export interface EnclaveProperties {
  /** MRENCLAVE, lower-case hex. */
  readonly uniqueId: string
  /** MRSIGNER: SHA-256 of the modulus as it stands, lower-case hex. */
  readonly signerId: string
  readonly productId: number
  readonly securityVersion: number
}

/**
 * What the SIGSTRUCT in some bytes says; undefined when there is none. Its signature is not looked at: the processor does
 * that when the enclave starts.
 *
 * @param where what the bytes are, for errors
 * @throws CliError when it is cut, or there are several that differ
 */
export function findSigstruct(bytes: Buffer, where: string): EnclaveProperties | undefined {
  const found = [...startsIn(bytes)].map((start) => {
    if (start + LENGTH > bytes.length) {
      throw new CliError(
        `Reading ${where}: the signature of the enclave (SIGSTRUCT) is cut: it has ${bytes.length - start} of ${LENGTH} bytes; sign the enclave anew`,
      )
    }
    return bytes.subarray(start, start + LENGTH)
  })
  const [first, ...others] = found
  if (first && others.some((other) => !other.equals(first))) {
    throw new CliError(
      `Reading ${where}: it holds signatures (SIGSTRUCT) of ${found.length} enclaves; give one alone`,
    )
  }
  return first && propertiesOf(first)
}

function* startsIn(bytes: Buffer): Generator<number> {
  for (let at = bytes.indexOf(FIRST_HEADER); at >= 0; at = bytes.indexOf(FIRST_HEADER, at + 1)) {
    const second = at + SECOND_HEADER.offset
    if (SECOND_HEADER.bytes.equals(bytes.subarray(second, second + SECOND_HEADER.bytes.length))) yield at
  }
}

function propertiesOf(sigstruct: Buffer): EnclaveProperties {
  const part = ({ offset, length }: { offset: number; length: number }): Buffer =>
    sigstruct.subarray(offset, offset + length)
  return {
    uniqueId: part(ENCLAVE_HASH).toString('hex'),
    signerId: createHash('sha256').update(part(MODULUS)).digest('hex'),
    productId: sigstruct.readUInt16LE(PRODUCT_ID),
    securityVersion: sigstruct.readUInt16LE(SECURITY_VERSION),
  }
}
