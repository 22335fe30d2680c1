import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { SecretBytes } from '../../secrets/secret-bytes.ts'
import { type SealContext, SealingError, type SealingProvider } from '../provider.ts'
import { decodeBlob, encodeObject, type TpmObject } from './tpm/blob.ts'
import { pcrPolicy, readPcrs } from './tpm/pcrs.ts'
import { extend, genuineBoot, skipWithoutSwtpm, SoftwareTpm } from './tpm/test-swtpm.ts'
import { Tpm, type TpmJob } from './tpm/tools.ts'
import { parentAttributes, tpmSealing } from './tpm.ts'

const skip = skipWithoutSwtpm
const plaintext = 'a planted secret of 32 bytes, ok'
const secret = (): SecretBytes => new SecretBytes(Buffer.from(plaintext))
const product: SealContext = { binding: 'ProductKey', associatedData: Buffer.from('ledger 1') }
const unique: SealContext = { ...product, binding: 'UniqueKey' }

const openText = async (provider: SealingProvider, sealed: Uint8Array, context = product): Promise<string> =>
  Buffer.from((await provider.unseal(sealed, context)).reveal()).toString('utf8')

/** Rejects with a {@link SealingError} of that text, which has no secret in it. */
async function refuses(action: Promise<unknown>, text: RegExp): Promise<void> {
  await assert.rejects(action, (error: unknown) => {
    assert.ok(error instanceof SealingError, inspect(error))
    assert.match(error.message, text)
    assert.ok(!inspect(error).includes(plaintext))
    return true
  })
}

void test('what a TPM sealed opens on the same machine and system', { skip }, async (t) => {
  const machine = new SoftwareTpm(t)
  const provider = tpmSealing(await machine.boot())
  const sealed = await provider.seal(secret(), product)
  const sealedUnique = await provider.seal(secret(), unique)
  assert.equal(await openText(provider, sealed), plaintext)
  assert.ok(!Buffer.from(sealed).includes(plaintext))
  assert.ok(sealed.length < 1024 && sealedUnique.length < 1024, `${sealed.length}, ${sealedUnique.length}`)

  await t.test('after it was off', async () => {
    const rebooted = tpmSealing(await machine.boot())
    assert.equal(await openText(rebooted, sealed), plaintext)
    assert.equal(await openText(rebooted, sealedUnique, unique), plaintext)
  })

  await t.test('under a newer system of the same signer for ProductKey, and not for UniqueKey', async () => {
    const updated = tpmSealing(await machine.boot({ ...genuineBoot, system: 'system 2' }))
    assert.equal(await openText(updated, sealed), plaintext)
    await refuses(
      updated.unseal(sealedUnique, unique),
      /^the PCRs are not what they were when it was sealed: PCR 11 was [0-9a-f]{64}, and is [0-9a-f]{64}; this is/,
    )
  })

  await t.test('not under another signer or firmware', async () => {
    const otherSigner = tpmSealing(await machine.boot({ ...genuineBoot, signer: 'other' }))
    await refuses(otherSigner.unseal(sealed, product), /PCRs are not what they were .*: PCR 7 was/)
    const otherFirmware = tpmSealing(await machine.boot({ ...genuineBoot, firmware: 'other' }))
    await refuses(otherFirmware.unseal(sealed, product), /PCRs are not what they were .*: PCR 0 was/)
  })

  await t.test('not after more was measured, nor by claiming that it had been so', async () => {
    const tpm = await machine.boot()
    await extend(tpm, new Map([[7, 'one more']]))
    await refuses(tpmSealing(tpm).unseal(sealed, product), /PCRs are not what they were .*: PCR 7 was/)
    const pcrs = await tpm.use((job) => readPcrs(job, [0, 7]))
    const forged = withObject(sealed, { ...decodeBlob(sealed).object, pcrs })
    // Its parent key is another one under these PCRs, so that the TPM does not even load it.
    await refuses(
      tpmSealing(tpm).unseal(forged, product),
      /another TPM sealed it, this one was cleared, or it was/,
    )
  })
})

void test('altered or foreign sealed bytes are refused', { skip }, async (t) => {
  const machine = new SoftwareTpm(t)
  const tpm = await machine.boot()
  const provider = tpmSealing(tpm)
  const sealed = await provider.seal(secret(), product)
  const { object, box } = decodeBlob(sealed)

  await t.test('other associated data, or another binding', async () => {
    await refuses(
      provider.unseal(sealed, { ...product, associatedData: Buffer.from('ledger 2') }),
      /not authenticate/,
    )
    await refuses(
      provider.unseal(sealed, unique),
      /was sealed to PCRs 0, 7, but UniqueKey is configured to be PCRs 0, 1,/,
    )
    const same = tpmSealing(tpm, { ProductKey: [0, 7], UniqueKey: [0, 7] })
    await refuses(same.unseal(sealed, unique), /does not authenticate/)
  })

  await t.test('a bit of each part', async () => {
    const flipped = (bytes: Uint8Array): Uint8Array => bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1)
    const { publicArea, privateArea } = object
    const alterations: [Uint8Array, RegExp][] = [
      [withObject(sealed, { ...object, publicArea: flipped(publicArea) }), /^unsealing with the TPM: /],
      [withObject(sealed, { ...object, privateArea: flipped(privateArea) }), /or it was altered/],
      [flipped(sealed), /does not authenticate/],
      [
        sealed.with(0, 2),
        /^it is nothing that the TPM sealed: it has version 2; this build reads version 1$/,
      ],
      [sealed.with(3, (sealed[3] ?? 0) ^ 1), /PCRs are not what they were .*: PCR 0 was/],
      [sealed.with(2, 1), /it was sealed to PCRs 1, 7, but ProductKey is configured/],
    ]
    for (const [altered, text] of alterations) await refuses(provider.unseal(altered, product), text)
  })

  await t.test('cut anywhere', async () => {
    const objectLength = sealed.length - box.length
    for (const end of [0, 1, 2, 40, 68, objectLength - 1]) {
      await refuses(provider.unseal(sealed.subarray(0, end), product), /^it is nothing that the TPM sealed: /)
    }
    await refuses(provider.unseal(sealed.subarray(0, objectLength), product), /it has 0 bytes, but needs/)
  })

  await t.test('the box of one with the key of another', async () => {
    const other = await provider.seal(secret(), product)
    await refuses(provider.unseal(withObject(other, object), product), /does not authenticate/)
  })

  await t.test('what another TPM sealed under the same PCRs', async () => {
    const other = await new SoftwareTpm(t).boot()
    await refuses(
      tpmSealing(other).unseal(sealed, product),
      /another TPM sealed it, this one was cleared, or it was/,
    )
  })
})

void test('another system on the same TPM can forge nothing', { skip }, async (t) => {
  const machine = new SoftwareTpm(t)
  const genuine = await machine.boot()
  // All that the attacker knows of the genuine system is public: its policy, and the PCRs in the sealed key.
  const known = decodeBlob(await tpmSealing(genuine).seal(secret(), product)).object
  const policy = pcrPolicy(known.pcrs)

  const evil = await machine.boot({ firmware: 'evil', signer: 'evil', system: 'evil' })
  await t.test('not below the key of that policy: it gives no children to others', async () => {
    for (const auth of [[], ['--parent-auth', 'pcr:sha256:0,7']]) {
      const made = evil.use((job) => makeChild(job, { policy, attributes: parentAttributes, auth }))
      await assert.rejects(made, /tpm2_create" failed: Esys_Create/)
    }
  })

  await t.test('not below a key of its own', async () => {
    const child = await evil.use((job) =>
      makeChild(job, { policy, attributes: `${parentAttributes}|userwithauth`, auth: [] }),
    )
    const forged = Buffer.concat([encodeObject({ pcrs: known.pcrs, ...child }), Buffer.alloc(64, 1)])
    const again = await machine.boot()
    await refuses(
      tpmSealing(again).unseal(forged, product),
      /another TPM sealed it, this one was cleared, or it was/,
    )
  })
})

void test('PCRs that tell nothing are refused', { skip }, async (t) => {
  const tpm = await new SoftwareTpm(t).boot()
  const only = (pcrs: readonly number[]): SealingProvider =>
    tpmSealing(tpm, { ProductKey: pcrs, UniqueKey: pcrs })
  await refuses(
    only([12, 13]).seal(secret(), product),
    /PCR 12, 13 is all zero: nothing was measured into it/,
  )
  await only([11, 12]).seal(secret(), product)
})

void test('errors say what is missing', { skip }, async (t) => {
  const { tcti } = new SoftwareTpm(t)
  const sealing = (tpm: Tpm): Promise<unknown> => tpmSealing(tpm).seal(secret(), product)
  await refuses(sealing(new Tpm({ tcti })), /^sealing with the TPM: no TPM answers at "swtpm:path=/)
  await refuses(
    sealing(new Tpm({ tcti, programPath: '/nowhere' })),
    /: "tpm2_pcrread" is in none of "\/nowhere"; install tpm2-tools 5/,
  )
  await refuses(
    sealing(new Tpm({ tcti, temporaryDirectory: '/nowhere' })),
    /making a folder in "\/nowhere" for the TPM's files: ENOENT/,
  )
})

interface ParentToTry {
  readonly policy: Uint8Array
  readonly attributes: string
  readonly auth: readonly string[]
}

/** Tries to seal something below a parent with that policy. */
async function makeChild(
  job: TpmJob,
  { policy, attributes, auth }: ParentToTry,
): Promise<Pick<TpmObject, 'publicArea' | 'privateArea'>> {
  const at = (name: string): string => job.file(name)
  writeFileSync(at('policy'), policy)
  const key = ['--hierarchy', 'o', '--key-algorithm', 'ecc256:aes128cfb', '--policy', at('policy')]
  const parent = ['--attributes', attributes, '--key-context', at('parent')]
  await job.run('tpm2_createprimary', ['--quiet', ...key, ...parent])
  const sealing = ['--policy', at('policy'), '--attributes', 'fixedtpm|fixedparent|adminwithpolicy|noda']
  const files = ['--sealing-input', '-', '--public', at('public'), '--private', at('private')]
  const under = ['--parent-context', at('parent'), ...auth]
  await job.run('tpm2_create', ['--quiet', ...under, ...sealing, ...files], Buffer.alloc(32, 1))
  return { publicArea: readFileSync(at('public')), privateArea: readFileSync(at('private')) }
}

/** The same box, with another object before it. */
const withObject = (sealed: Uint8Array, object: TpmObject): Uint8Array =>
  Buffer.concat([encodeObject(object), decodeBlob(sealed).box])
