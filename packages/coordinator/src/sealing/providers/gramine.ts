import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { openBox, sealBox } from '../authenticated-box.ts'
import { type SealBinding, type SealContext, SealingError, type SealingProvider } from '../provider.ts'

/** Where Gramine shows an enclave its keys (Gramine, "Attestation and Secret Provisioning"). */
export const gramineKeyDirectory = '/dev/attestation/keys'

/** Gramine, "Manifest syntax", special keys: SGX sealing keys, the same at each start of that enclave or signer. */
const keyFiles: Readonly<Record<SealBinding, string>> = {
  UniqueKey: '_sgx_mrenclave',
  ProductKey: '_sgx_mrsigner',
}

/** The files that a {@link gramineSealing} reads in a folder of keys. */
export const gramineKeyFiles = (directory: string): string[] =>
  Object.values(keyFiles).map((name) => path.join(directory, name))

/** Bytes: EGETKEY gives 128 bits (Intel SDM volume 3D, "EGETKEY"). */
const keyLength = 16

/**
 * SGX under Gramine. The processor derives the key from its own fuses and the enclave's identity (MRENCLAVE for
 * `UniqueKey`; MRSIGNER and ISVPRODID for `ProductKey`), so neither the host nor any other enclave can open
 * what is sealed, on this machine or another.
 *
 * Does not protect against: another enclave of the same signer and product under `ProductKey`; putting back an older
 * seal directory as a whole. The derivation also takes security versions of processor and enclave, so that an update
 * of microcode, or a higher ISVSVN, may lead to state 1, and so does another machine: recovery then seals anew.
 *
 * The enclave's Gramine manifest must not use these two keys for encrypted file systems as well (Gramine's own
 * warning); what is used here is derived from them by HKDF under a label of its own.
 *
 * @param directory for tests
 */
export function gramineSealing(directory: string = gramineKeyDirectory): SealingProvider {
  return {
    kind: 'gramine',
    seal: (plaintext, context) => withKey(directory, context, (key) => sealBox(key, plaintext, context)),
    unseal: (sealed, context) => withKey(directory, context, (key) => openBox(key, sealed, context)),
  }
}

async function withKey<T>(directory: string, context: SealContext, use: (key: Uint8Array) => T): Promise<T> {
  const key = await readKey(directory, context.binding)
  try {
    return use(key)
  } finally {
    key.fill(0)
  }
}

async function readKey(directory: string, binding: SealBinding): Promise<Buffer> {
  const file = path.join(directory, keyFiles[binding])
  let key: Buffer
  try {
    key = await readFile(file)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new SealingError(`reading Gramine's sealing key: ${reason}; is this an SGX enclave?`)
  }
  if (key.length !== keyLength || key.every((octet) => octet === 0)) {
    throw new SealingError(
      `Gramine's sealing key "${file}" has ${key.length} bytes; it must have ${keyLength}, and not all zero`,
    )
  }
  return key
}
