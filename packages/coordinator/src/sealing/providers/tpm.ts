import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import type { SecretBytes } from '../../secrets/secret-bytes.ts'
import { CodecError } from '../../state/codec-bytes.ts'
import { openBox, sealBox } from '../authenticated-box.ts'
import { type SealBinding, type SealContext, SealingError, type SealingProvider } from '../provider.ts'
import { boxContext, decodeBlob, encodeObject, type TpmBlob, type TpmObject } from './tpm/blob.ts'
import { pcrDifferences, pcrLists, pcrPolicy, type PcrValues, readPcrs } from './tpm/pcrs.ts'
import type { PcrSelection } from '../tpm-settings.ts'
import { type Tpm, TpmError, type TpmJob } from './tpm/tools.ts'

/** Which PCRs stand for a build, and which for its signer. */
export type PcrBinding = Readonly<Record<SealBinding, PcrSelection>>

/**
 * What PCRs hold: TCG PC Client Platform Firmware Profile, "PCR Usage"; 8, 9 and 11 to 13: systemd, "TPM2 PCR
 * Measurements Made by systemd"; 14: shim's README.tpm.
 *
 * - `ProductKey`: the firmware (0), without which no other PCR could be believed, and secure boot's state, keys and
 *   the authorities that signed what was booted (7).
 * - `UniqueKey`: all that is measured from the firmware to the system and its command line. Without 10 (the kernel's
 *   IMA) and 15 (systemd), which grow while a system runs.
 */
export const defaultPcrBinding: PcrBinding = {
  ProductKey: [0, 7],
  UniqueKey: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14],
}

/** Bytes of the key that the TPM keeps; 256 bits, as all keys here. */
const keyLength = 32

/**
 * A parent key that can neither be used nor be given children except under its PCR policy (TPM 2.0 Library, part 2,
 * TPMA_OBJECT: without `userWithAuth` only the policy authorizes). So what opens below it was also *made* under these PCRs: another system that the host
 * boots on the same TPM can't make a sealed key that this one would take for its own. Exported for its test.
 */
export const parentAttributes =
  'fixedtpm|fixedparent|sensitivedataorigin|adminwithpolicy|noda|restricted|decrypt'
const objectAttributes = 'fixedtpm|fixedparent|adminwithpolicy|noda'

/** TPM_RC without its number of parameter or session (TPM 2.0 Library, part 2, "TPM_RC"; format one). */
const formatOneMask = 0xbf
const meanings: ReadonlyMap<number, string> = new Map([
  // TPM_RC_INTEGRITY
  [0x9f, 'another TPM sealed it, this one was cleared, or it was altered'],
  // TPM_RC_POLICY_FAIL
  [0x9d, 'the PCRs changed meanwhile, or it was sealed to others'],
  // TPM_RC_BAD_AUTH
  [0xa2, "the TPM's owner hierarchy has a password, and must have none"],
])

/**
 * Confidential VMs with a virtual TPM. A fresh 32-byte key is sealed by the TPM under a policy of PCRs, and encrypts.
 *
 * Protects what was sealed as far as the TPM and the measured boot reach (docs/sealing.md says how far): from other
 * machines, from a stolen disk, and from another system booted on the same machine. Not from whoever operates the TPM,
 * nor from other processes of the same system that may use it.
 */
export function tpmSealing(tpm: Tpm, binding: PcrBinding = defaultPcrBinding): SealingProvider {
  return {
    kind: 'tpm',
    seal: (plaintext, context) =>
      sealingErrors('sealing with the TPM', () => tpm.use((job) => seal(job, binding, plaintext, context))),
    unseal: (sealed, context) =>
      sealingErrors('unsealing with the TPM', () => tpm.use((job) => unseal(job, binding, sealed, context))),
  }
}

async function seal(
  job: TpmJob,
  binding: PcrBinding,
  plaintext: SecretBytes,
  context: SealContext,
): Promise<Uint8Array> {
  const selection = binding[context.binding]
  const pcrs = await readPcrs(job, selection)
  await makeParent(job, pcrs)
  const key = randomBytes(keyLength)
  try {
    const object = await sealKey(job, pcrs, key)
    const objectBytes = encodeObject(object)
    const box = sealBox(key, plaintext, inBox(context, objectBytes))
    return Buffer.concat([objectBytes, box])
  } finally {
    key.fill(0)
  }
}

async function unseal(
  job: TpmJob,
  binding: PcrBinding,
  sealed: Uint8Array,
  context: SealContext,
): Promise<SecretBytes> {
  const { object, objectBytes, box } = decode(sealed)
  const selection = binding[context.binding]
  requireSelection(object, selection, context.binding)
  const found = await readPcrs(job, selection)
  const differences = pcrDifferences(object.pcrs, found)
  if (differences !== undefined) {
    throw new SealingError(
      `the PCRs are not what they were when it was sealed: ${differences}; ` +
        'this is another system or another firmware, or it was configured anew',
    )
  }
  await makeParent(job, found)
  const key = await unsealKey(job, object)
  try {
    return openBox(key, box, inBox(context, objectBytes))
  } finally {
    key.fill(0)
  }
}

const inBox = ({ binding, associatedData }: SealContext, objectBytes: Uint8Array): SealContext => ({
  binding,
  associatedData: boxContext(objectBytes, associatedData),
})

/**
 * Makes the parent key in the job's file `parent`; its policy, that these values are there, stands in `policy`. The TPM
 * derives the same key from its seed each time, so nothing of it is kept.
 */
async function makeParent(job: TpmJob, pcrs: PcrValues): Promise<void> {
  const policy = job.file('policy')
  await writeFile(policy, pcrPolicy(pcrs))
  const key = ['--hash-algorithm', 'sha256', '--key-algorithm', 'ecc256:aes128cfb', '--policy', policy]
  const parent = ['--attributes', parentAttributes, '--key-context', job.file('parent')]
  await job.run('tpm2_createprimary', ['--quiet', '--hierarchy', 'o', ...key, ...parent])
}

async function sealKey(job: TpmJob, pcrs: PcrValues, key: Uint8Array): Promise<TpmObject> {
  const publicFile = job.file('public')
  const privateFile = job.file('private')
  const policy = ['--policy', job.file('policy'), '--attributes', objectAttributes]
  const files = ['--sealing-input', '-', '--public', publicFile, '--private', privateFile]
  await withPolicySession(job, pcrs, async (fulfilled) => {
    const under = ['--parent-context', job.file('parent'), '--parent-auth', await fulfilled()]
    await job.run(
      'tpm2_create',
      ['--quiet', '--hash-algorithm', 'sha256', ...under, ...policy, ...files],
      key,
    )
  })
  return { pcrs, publicArea: await readFile(publicFile), privateArea: await readFile(privateFile) }
}

async function unsealKey(job: TpmJob, { pcrs, publicArea, privateArea }: TpmObject): Promise<Buffer> {
  const publicFile = job.file('public')
  const privateFile = job.file('private')
  const object = job.file('object')
  await writeFile(publicFile, publicArea)
  await writeFile(privateFile, privateArea)
  const key = await withPolicySession(job, pcrs, async (fulfilled) => {
    const under = ['--parent-context', job.file('parent'), '--auth', await fulfilled()]
    const files = ['--public', publicFile, '--private', privateFile, '--key-context', object]
    await job.run('tpm2_load', ['--quiet', ...under, ...files])
    return await job.run('tpm2_unseal', ['--quiet', '--object-context', object, '--auth', await fulfilled()])
  })
  if (key.length === keyLength) return key
  key.fill(0)
  throw new SealingError(`the TPM unsealed ${key.length} bytes; the key has ${keyLength}: it was altered`)
}

/** Has the TPM look at the PCRs, which each use of a session needs anew. @returns the session as an argument */
type Fulfilled = () => Promise<string>

async function withPolicySession<T>(
  job: TpmJob,
  pcrs: PcrValues,
  action: (fulfilled: Fulfilled) => Promise<T>,
): Promise<T> {
  const session = job.file('session')
  await job.run('tpm2_startauthsession', ['--policy-session', '--session', session])
  const fulfilled: Fulfilled = async () => {
    for (const list of pcrLists([...pcrs.keys()])) {
      await job.run('tpm2_policypcr', ['--quiet', '--session', session, '--pcr-list', list])
    }
    return `session:${session}`
  }
  try {
    return await action(fulfilled)
  } finally {
    // What matters is how the action went; a session that stays takes only one of the TPM's 64 places.
    await job.run('tpm2_flushcontext', [session]).catch(() => undefined)
  }
}

function decode(sealed: Uint8Array): TpmBlob {
  try {
    return decodeBlob(sealed)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new SealingError(`it is nothing that the TPM sealed: ${error.message}`)
  }
}

/** The configuration says which PCRs count, never the blob: it could name some that tell nothing. */
function requireSelection({ pcrs }: TpmObject, selection: PcrSelection, binding: SealBinding): void {
  const sealed = [...pcrs.keys()].join(', ')
  const configured = selection.join(', ')
  if (sealed === configured) return
  throw new SealingError(
    `it was sealed to PCRs ${sealed}, but ${binding} is configured to be PCRs ${configured}; ` +
      'configure the same ones, or recover, which seals anew',
  )
}

async function sealingErrors<T>(doing: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (!(error instanceof TpmError)) throw error
    throw new SealingError(`${doing}: ${explained(error)}`, { cause: error })
  }
}

function explained({ code, message }: TpmError): string {
  const meaning = code === undefined ? undefined : meanings.get(code & formatOneMask)
  return meaning === undefined ? message : `${meaning} (${message})`
}
