import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { SecretBytes } from '../secrets/secret-bytes.ts'
import { type SealContext, SealingError, type SealingProvider } from './provider.ts'
import { gramineSealing } from './providers/gramine.ts'
import { noSealing } from './providers/none.ts'
import { simulationSealing } from './providers/simulation.ts'

const secret = Buffer.from('a key, and another one beside it')
const plaintext = (): SecretBytes => new SecretBytes(Buffer.from(secret))
const product: SealContext = { binding: 'ProductKey', associatedData: Buffer.from('ledger 1') }
const unique: SealContext = { ...product, binding: 'UniqueKey' }

function gramineFolder(
  t: TestContext,
  mrenclave = Buffer.alloc(16, 1),
  mrsigner = Buffer.alloc(16, 2),
): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'taw-sealing-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(path.join(folder, '_sgx_mrenclave'), mrenclave)
  writeFileSync(path.join(folder, '_sgx_mrsigner'), mrsigner)
  return folder
}

const providers: Record<string, (t: TestContext) => SealingProvider> = {
  simulation: () => simulationSealing,
  gramine: (t) => gramineSealing(gramineFolder(t)),
}

for (const [name, create] of Object.entries(providers)) {
  test(`${name}: what was sealed opens under the same binding and data, and under no other`, async (t) => {
    const provider = create(t)
    for (const context of [product, unique]) {
      const sealed = await provider.seal(plaintext(), context)
      assert.ok(!Buffer.from(sealed).includes(secret.subarray(0, 8)))
      assert.deepEqual(Buffer.from((await provider.unseal(sealed, context)).reveal()), secret)
      const other: SealContext = { ...context, binding: context === product ? 'UniqueKey' : 'ProductKey' }
      await assert.rejects(provider.unseal(sealed, other), SealingError)
      await assert.rejects(
        provider.unseal(sealed, { ...context, associatedData: Buffer.from('ledger 2') }),
        SealingError,
      )
    }
  })

  test(`${name}: altered or cut bytes don’t open`, async (t) => {
    const provider = create(t)
    const sealed = await provider.seal(plaintext(), product)
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed)
      altered[at] = (altered[at] ?? 0) ^ 0x40
      await assert.rejects(provider.unseal(altered, product), SealingError, `byte ${at}`)
    }
    for (const length of [0, 1, 28, sealed.length - 1]) {
      await assert.rejects(
        provider.unseal(sealed.subarray(0, length), product),
        SealingError,
        `${length} bytes`,
      )
    }
    await assert.rejects(
      provider.unseal(Buffer.concat([Buffer.of(2), sealed.subarray(1)]), product),
      /version 2/,
    )
  })
}

test('gramine: another build opens what is bound to the signer, another signer nothing', async (t) => {
  const first = gramineSealing(gramineFolder(t))
  const newer = gramineSealing(gramineFolder(t, Buffer.alloc(16, 9)))
  const foreign = gramineSealing(gramineFolder(t, Buffer.alloc(16, 9), Buffer.alloc(16, 9)))
  const [toSigner, toBuild] = [await first.seal(plaintext(), product), await first.seal(plaintext(), unique)]
  assert.deepEqual(Buffer.from((await newer.unseal(toSigner, product)).reveal()), secret)
  await assert.rejects(newer.unseal(toBuild, unique), SealingError)
  await assert.rejects(foreign.unseal(toSigner, product), SealingError)
})

test('gramine: no key, a short key or an empty key is refused', async (t) => {
  const missing = gramineSealing(path.join(gramineFolder(t), 'missing'))
  await assert.rejects(missing.seal(plaintext(), product), /is this an SGX enclave/)
  const short = gramineSealing(gramineFolder(t, undefined, Buffer.alloc(8, 1)))
  await assert.rejects(short.seal(plaintext(), product), /has 8 bytes; it must have 16/)
  const zero = gramineSealing(gramineFolder(t, undefined, Buffer.alloc(16)))
  await assert.rejects(zero.seal(plaintext(), product), /not all zero/)
})

test('none: nothing opens again', async () => {
  const sealed = await noSealing.seal(plaintext(), product)
  assert.equal(sealed.length, 0)
  await assert.rejects(noSealing.unseal(sealed, product), SealingError)
})
