import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RollbackAnchorUnavailable, RollbackGuard } from '../../../ledger/rollback-anchor.ts'
import { defaultCounterIndex, tpmCounter } from './nv-counter.ts'
import { skipWithoutSwtpm, SoftwareTpm } from './test-swtpm.ts'
import { Tpm } from './tools.ts'

const index = `0x${defaultCounterIndex.toString(16)}`
const skip = skipWithoutSwtpm

void test('a TPM counter', { skip }, async (t) => {
  const machine = new SoftwareTpm(t)
  const counter = tpmCounter(await machine.boot())

  await t.test('is not there before it begins, and counts by one', async () => {
    assert.equal(await counter.read(), undefined)
    const start = await counter.begin()
    assert.equal(await counter.begin(), start)
    await counter.advanceTo(start + 1n)
    assert.equal(await counter.read(), start + 1n)
  })

  await t.test('may be advanced again to where it stands, and nowhere else', async () => {
    const value = await counter.begin()
    await counter.advanceTo(value)
    for (const other of [value - 1n, value + 2n]) {
      await assert.rejects(counter.advanceTo(other), (error: unknown) => {
        assert.ok(error instanceof RollbackAnchorUnavailable)
        assert.match(error.message, /it stands at \d+, but this ledger's next value is \d+: somebody else/)
        return true
      })
    }
    assert.equal(await counter.read(), value)
  })

  await t.test('keeps its value while the machine is off, whatever boots then', async () => {
    const value = await counter.read()
    const other = tpmCounter(await machine.boot({ firmware: 'evil', signer: 'evil', system: 'evil' }))
    assert.equal(await other.read(), value)
  })

  await t.test('starts above its former value when it was removed', async () => {
    const tpm = await machine.boot()
    const value = (await counter.read()) ?? 0n
    await tpm.use((job) => job.run('tpm2_nvundefine', ['--quiet', index, '--hierarchy', 'o']))
    assert.equal(await counter.read(), undefined)
    assert.ok((await counter.begin()) > value)
  })

  await t.test('refuses an ordinary index in its place, which could be written with any value', async () => {
    const tpm = await machine.boot()
    await tpm.use(async (job) => {
      await job.run('tpm2_nvundefine', ['--quiet', index, '--hierarchy', 'o'])
      const attributes = ['--attributes', 'ownerread|ownerwrite|no_da', '--size', '8']
      await job.run('tpm2_nvdefine', ['--quiet', index, '--hierarchy', 'o', ...attributes])
      await job.run(
        'tpm2_nvwrite',
        ['--quiet', index, '--hierarchy', 'o', '--input', '-'],
        Buffer.alloc(8, 1),
      )
    })
    const expected = /the NV index is there, but with attributes 0x22020002; a counter of Taw has 0x2020012/
    await assert.rejects(counter.read(), expected)
    await assert.rejects(counter.begin(), expected)
  })
})

void test('a TPM counter tells an older copy of a ledger', { skip }, async (t) => {
  const machine = new SoftwareTpm(t)
  const counter = tpmCounter(await machine.boot())
  let disk = 0n
  const write = (value: bigint): Promise<void> => {
    disk = value
    return Promise.resolve()
  }
  const guard = await RollbackGuard.begin(counter)
  await guard.commit(write, write)
  const copy = disk
  await guard.commit(write, write)

  const rebooted = tpmCounter(await machine.boot())
  await RollbackGuard.open(rebooted, disk)
  await assert.rejects(RollbackGuard.open(rebooted, copy), /an older ledger was put back/)
})

void test('a TPM counter belongs in the range for owners', () => {
  for (const wrong of [0x0100_0000, 0x01c0_0000, 1.5, Number.NaN]) {
    assert.throws(() => tpmCounter(new Tpm({}), wrong), /is not in the owner's range/)
  }
})
