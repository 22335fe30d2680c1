import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import type { TestContext } from 'node:test'
import { createIntelVendor, createTsmDevice } from '@taw/tee-kit'
import type { TsmDevice, TsmDeviceOptions } from '@taw/tee-kit'
import { temporaryFolder } from '../../../tests/support/marble-process.ts'
import { EvidenceUnavailable } from './errors.ts'
import { openTsm } from './tsm.ts'
import type { RequestFiles } from './tsm-files.ts'
import { packEvidence } from './wire.ts'

const platform = createIntelVendor().createPlatform()
const reportData = Buffer.from(Array.from({ length: 64 }, (_, index) => index))
/** An SNP report, as far as the provider looks into it. */
function snpReport(data: Uint8Array, privlevel: number): Buffer {
  const report = Buffer.alloc(1184)
  report.writeUInt32LE(3, 0)
  report.writeUInt32LE(privlevel, 0x30)
  report.set(data, 0x50)
  return report
}

const TDX: Omit<TsmDeviceOptions, 'root'> = {
  provider: 'tdx_guest',
  outblob: ({ reportData: data }) => platform.quoteTdx({ reportData: data }),
}
const SNP: Omit<TsmDeviceOptions, 'root'> = {
  provider: 'sev_guest',
  outblob: ({ reportData: data, privlevel }) => snpReport(data, privlevel),
  auxblob: () => Buffer.from('table'),
}

function device(t: TestContext, options: Omit<TsmDeviceOptions, 'root'>): TsmDevice {
  const made = createTsmDevice({ root: path.join(temporaryFolder(t), 'report'), ...options })
  t.after(made.close)
  return made
}

const unusable = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EvidenceUnavailable, String(error))
  assert.equal(error.code, 'tee_unusable')
  assert.match(error.message, pattern)
  return true
}

suite('on a folder that behaves like configfs', () => {
  test('TDX: a quote over the report data, and the request is removed', async (t) => {
    const { root } = device(t, TDX)
    const provider = await openTsm({ root })
    assert.equal(provider.kind, 'tdx-quote')
    const evidence = await provider.quote(reportData)
    assert.ok(evidence)
    assert.deepEqual(Buffer.from(evidence.evidence.subarray(568, 632)), reportData)
    assert.equal(evidence.auxblob, undefined)
    assert.deepEqual(packEvidence(evidence), evidence.evidence)
    assert.deepEqual(readdirSync(root), [])
  })

  test('TDX: a quote of version 5 is looked into as well', async (t) => {
    const { root } = device(t, {
      ...TDX,
      outblob: ({ reportData: data }) => platform.quoteTdx({ version: 5, reportData: data }),
    })
    assert.ok(await (await openTsm({ root })).quote(reportData))
  })

  test('SEV-SNP: the report, the privilege level, the certificate table where the host gives one', async (t) => {
    const { root } = device(t, SNP)
    const evidence = await (await openTsm({ root, privlevel: 2 })).quote(reportData)
    assert.ok(evidence)
    assert.deepEqual(Buffer.from(evidence.evidence), snpReport(reportData, 2))
    assert.equal(Buffer.from(evidence.auxblob ?? []).toString(), 'table')
    assert.deepEqual(JSON.parse(Buffer.from(packEvidence(evidence)).toString()), {
      provider: 'sev_guest',
      outblob: snpReport(reportData, 2).toString('base64'),
      auxblob: 'dGFibGU=',
    })
    const without = device(t, { provider: SNP.provider, outblob: SNP.outblob })
    const bare = await (await openTsm({ root: without.root })).quote(reportData)
    assert.equal(bare?.auxblob, undefined)
  })

  test('requests that come at once each get their own', async (t) => {
    const { root } = device(t, TDX)
    const provider = await openTsm({ root })
    const wanted = Array.from({ length: 6 }, (_, index) => Buffer.alloc(64, index))
    const quotes = await Promise.all(wanted.map((data) => provider.quote(data)))
    assert.deepEqual(
      quotes.map((evidence) => Buffer.from(evidence?.evidence.subarray(568, 632) ?? [])),
      wanted,
    )
    assert.deepEqual(readdirSync(root), [])
  })

  test('nothing, noise, and a report over other data are errors, and the request is removed', async (t) => {
    const one = device(t, TDX)
    const provider = await openTsm({ root: one.root })
    for (const [fault, pattern] of [
      ['empty', /is empty/],
      ['garbage', /not over the report data/],
      ['other-report-data', /not over the report data/],
    ] as const) {
      one.fault = fault
      await assert.rejects(provider.quote(reportData), unusable(pattern))
      assert.deepEqual(readdirSync(one.root), [])
    }
  })

  test('a privilege level is no setting of TDX', async (t) => {
    await assert.rejects(openTsm({ root: device(t, TDX).root, privlevel: 0 }), unusable(/SEV-SNP/))
  })
})

suite('on other folders', () => {
  test('an ordinary folder, and a missing one, are errors that say what to mount', async (t) => {
    const root = temporaryFolder(t)
    await assert.rejects(openTsm({ root, attributeWaitMs: 10 }), unusable(/ENOENT.*mount configfs/))
    assert.deepEqual(readdirSync(root), [])
    await assert.rejects(openTsm({ root: path.join(root, 'missing') }), unusable(/ENOENT.*mount configfs/))
  })
})

const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: as the kernel says it`), { code })

/** What only a kernel answers: errors of its calls, from a list that each call takes one off. */
class Kernel implements RequestFiles {
  readonly requests = new Map<string, { data: Uint8Array; generation: number }>()
  readonly errors: Record<string, (Error | undefined)[]> = {}
  /** How many writes come besides ours; one number per report. */
  readonly intruders: number[] = []
  made = 0

  #fail(call: string): void {
    const error = this.errors[call]?.shift()
    if (error) throw error
  }

  readonly make = async (folder: string): Promise<void> => {
    await Promise.resolve()
    this.#fail('make')
    this.made += 1
    this.requests.set(folder, { data: new Uint8Array(), generation: 0 })
  }

  readonly write = async (file: string, bytes: Uint8Array): Promise<void> => {
    await Promise.resolve()
    this.#fail('write')
    const request = this.requests.get(path.dirname(file))
    assert.ok(request)
    request.data = bytes
    request.generation += 1 + (this.intruders.shift() ?? 0)
  }

  readonly read = async (file: string): Promise<Uint8Array> => {
    await Promise.resolve()
    const name = path.basename(file)
    this.#fail(name)
    const request = this.requests.get(path.dirname(file))
    assert.ok(request)
    switch (name) {
      case 'provider':
        return Buffer.from('sev_guest\n')
      case 'generation':
        return Buffer.from(`${request.generation}\n`)
      case 'outblob':
        return snpReport(request.data, 0)
      default:
        throw systemError('ENXIO')
    }
  }

  readonly remove = async (folder: string): Promise<void> => {
    await Promise.resolve()
    this.#fail('remove')
    this.requests.delete(folder)
  }
}

suite('what a kernel says', () => {
  test('busy and interrupted: done again, with a new request', async () => {
    for (const call of ['write', 'outblob', 'generation']) {
      for (const code of ['EBUSY', 'EINTR', 'EAGAIN']) {
        const kernel = new Kernel()
        const provider = await openTsm({}, kernel)
        kernel.errors[call] = [systemError(code), systemError(code)]
        const evidence = await provider.quote(reportData)
        assert.deepEqual(Buffer.from(evidence?.evidence ?? []), snpReport(reportData, 0))
        assert.equal(kernel.made, 4)
        assert.equal(kernel.requests.size, 0)
      }
    }
  })

  test('a writer between: done again; always one: an error', async () => {
    const kernel = new Kernel()
    const provider = await openTsm({}, kernel)
    kernel.intruders.push(1)
    assert.ok(await provider.quote(reportData))
    kernel.intruders.push(...Array.from({ length: 20 }, () => 1))
    await assert.rejects(provider.quote(reportData), unusable(/another process wrote/))
    assert.equal(kernel.requests.size, 0)
  })

  test('anything else: an error at once that says what to do, and the request is removed', async () => {
    for (const [call, code, pattern] of [
      ['make', 'ENXIO', /no driver answers/],
      ['make', 'EACCES', /run as root/],
      ['make', 'EROFS', /for writing/],
      ['write', 'EINVAL', /privlevel_floor/],
      ['outblob', 'EIO', /host must serve quotes/],
      ['auxblob', 'EIO', /host must serve quotes/],
      ['outblob', 'ENOTTY', /no driver answers/],
    ] as const) {
      const kernel = new Kernel()
      const provider = await openTsm({}, kernel)
      kernel.errors[call] = [systemError(code)]
      await assert.rejects(provider.quote(reportData), unusable(pattern))
      assert.equal(kernel.made, call === 'make' ? 1 : 2)
      assert.equal(kernel.requests.size, 0)
    }
  })

  test('no answer: an error after the given time', async () => {
    const kernel = new Kernel()
    const hanging: RequestFiles = {
      make: kernel.make,
      write: kernel.write,
      remove: kernel.remove,
      read: (file) => (path.basename(file) === 'outblob' ? new Promise(() => undefined) : kernel.read(file)),
    }
    const provider = await openTsm({ timeoutMs: 20 }, hanging)
    await assert.rejects(provider.quote(reportData), unusable(/more than 20 ms/))
  })

  test('a provider that is not known here is an error', async () => {
    const kernel = new Kernel()
    const strange: RequestFiles = {
      make: kernel.make,
      write: kernel.write,
      remove: kernel.remove,
      read: () => Promise.resolve(Buffer.from('another_guest\n')),
    }
    await assert.rejects(openTsm({}, strange), unusable(/"another_guest"/))
    assert.equal(kernel.requests.size, 0)
  })
})
