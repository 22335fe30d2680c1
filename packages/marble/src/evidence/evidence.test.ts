import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import { temporaryFolder } from '../../../../tests/support/marble-process.ts'
import { MarbleError } from '../errors.ts'
import { chooseEvidence } from './detect.ts'
import { gramineEvidence } from './gramine.ts'
import { noEvidence } from './provider.ts'
import { tsmEvidence, type ReportRequests } from './tsm.ts'

const reportData = Buffer.from(Array.from({ length: 64 }, (_, index) => index))

const unavailable = (pattern: RegExp) => (error: unknown) =>
  error instanceof MarbleError && error.code === 'evidence_unavailable' && pattern.test(error.message)

/** Gramine's folder, with the files given. */
function fakeGramine(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [name, contents] of Object.entries(files)) writeFileSync(path.join(folder, name), contents)
  return folder
}

type Attributes = Readonly<Record<string, string | Error>>

/** What Linux does in configfs: a new folder has its attributes, and each write raises its generation. */
class FakeKernel implements ReportRequests {
  readonly folders = new Map<string, { inblob: Buffer; generation: number }>()
  readonly received: Buffer[] = []
  readonly #attributes: Attributes

  constructor(attributes: Attributes) {
    this.#attributes = attributes
  }

  make = (folder: string): Promise<void> => {
    this.folders.set(folder, { inblob: Buffer.alloc(0), generation: 0 })
    return Promise.resolve()
  }

  write = (file: string, bytes: Uint8Array): Promise<void> => {
    assert.equal(path.basename(file), 'inblob')
    const request = this.#request(file)
    request.inblob = Buffer.from(bytes)
    request.generation += 1
    this.received.push(request.inblob)
    return Promise.resolve()
  }

  read = (file: string): Promise<Uint8Array> => {
    const request = this.#request(file)
    const name = path.basename(file)
    const value = name === 'generation' ? `${request.generation}\n` : this.#attributes[name]
    if (value instanceof Error) return Promise.reject(value)
    if (value === undefined) return Promise.reject(systemError('ENOENT'))
    return Promise.resolve(Buffer.from(value))
  }

  remove = (folder: string): Promise<void> => {
    this.folders.delete(folder)
    return Promise.resolve()
  }

  #request(file: string): { inblob: Buffer; generation: number } {
    const request = this.folders.get(path.dirname(file))
    if (request === undefined) throw systemError('ENOENT')
    return request
  }
}

const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: as the kernel says it`), { code })

void test('none: no evidence', async () => {
  assert.equal((await noEvidence.quote(reportData)).length, 0)
})

void test('gramine: the quote, after all 64 bytes went into user_report_data', async (t) => {
  const folder = fakeGramine(temporaryFolder(t), { user_report_data: '', quote: 'a quote' })
  const quote = await gramineEvidence(folder).quote(reportData)
  assert.equal(Buffer.from(quote).toString(), 'a quote')
  assert.deepEqual(readFileSync(path.join(folder, 'user_report_data')), reportData)
})

void test('gramine: without a quote, with an empty one, or one without end it fails and says what to do', async (t) => {
  const folder = fakeGramine(temporaryFolder(t), { user_report_data: '' })
  await assert.rejects(
    gramineEvidence(folder).quote(reportData),
    unavailable(/ENOENT.*sgx\.remote_attestation/s),
  )
  fakeGramine(folder, { quote: '' })
  await assert.rejects(
    gramineEvidence(folder).quote(reportData),
    unavailable(/is empty.*sgx\.remote_attestation/s),
  )
  fakeGramine(folder, { quote: 'x'.repeat(65_537) })
  await assert.rejects(gramineEvidence(folder).quote(reportData), unavailable(/more than 65536 bytes/))
})

void test('tsm: on TDX the report alone, over all 64 bytes, and the request is removed', async () => {
  const kernel = new FakeKernel({ outblob: 'a TDX quote', provider: 'tdx_guest\n' })
  assert.equal(Buffer.from(await tsmEvidence('/reports', kernel).quote(reportData)).toString(), 'a TDX quote')
  assert.deepEqual(kernel.received, [reportData])
  assert.equal(kernel.folders.size, 0)
})

void test('tsm: on SEV-SNP the certificate table goes along, where the host gives one', async () => {
  const withTable = '{"provider":"sev_guest","outblob":"cmVwb3J0","auxblob":"dGFibGU="}'
  for (const [auxblob, expected] of [
    ['table', withTable],
    ['', 'report'],
    [systemError('ENXIO'), 'report'],
    [systemError('ENOENT'), 'report'],
  ] as const) {
    const kernel = new FakeKernel({ outblob: 'report', auxblob, provider: 'sev_guest\n' })
    assert.equal(Buffer.from(await tsmEvidence('/reports', kernel).quote(reportData)).toString(), expected)
  }
  const tdx = new FakeKernel({ outblob: 'report', auxblob: 'table', provider: 'tdx_guest\n' })
  assert.equal(Buffer.from(await tsmEvidence('/reports', tdx).quote(reportData)).toString(), 'report')
})

void test('tsm: what the kernel refuses is an error, and the request is removed', async () => {
  for (const attributes of [
    { outblob: systemError('EIO'), provider: 'sev_guest' },
    { outblob: 'report', auxblob: systemError('EIO'), provider: 'sev_guest' },
    { outblob: '', provider: 'sev_guest' },
    { outblob: 'report', provider: systemError('EIO') },
  ]) {
    const kernel = new FakeKernel(attributes)
    await assert.rejects(tsmEvidence('/reports', kernel).quote(reportData), unavailable(/EIO|empty/))
    assert.equal(kernel.folders.size, 0)
  }
})

void test('tsm: a report over what another process wrote meanwhile is refused', async () => {
  const kernel = new FakeKernel({ outblob: 'report', provider: 'tdx_guest' })
  const intruder: ReportRequests = {
    make: kernel.make,
    read: kernel.read,
    remove: kernel.remove,
    write: async (file, bytes) => {
      await kernel.write(file, bytes)
      await kernel.write(file, Buffer.alloc(64))
    },
  }
  await assert.rejects(tsmEvidence('/reports', intruder).quote(reportData), unavailable(/another process/))
})

void test('tsm: on a folder that is no configfs it fails', async (t) => {
  const root = temporaryFolder(t)
  await assert.rejects(tsmEvidence(root).quote(reportData), unavailable(/ENOENT.*generation/s))
  await assert.rejects(tsmEvidence(path.join(root, 'missing')).quote(reportData), unavailable(/ENOENT/))
})

void test('detection: Gramine before the kernel, none only when nothing is there', async (t) => {
  const base = temporaryFolder(t)
  const folders = { gramine: path.join(base, 'attestation'), tsm: path.join(base, 'report') }
  const kind = async (choice: 'auto' | 'none' | 'gramine' | 'tsm'): Promise<string> =>
    (await chooseEvidence(choice, folders)).kind

  assert.equal(await kind('auto'), 'none')
  mkdirSync(folders.gramine)
  mkdirSync(path.join(folders.gramine, 'keys'))
  assert.equal(await kind('auto'), 'none', 'Gramine without SGX has keys, but no evidence')
  mkdirSync(folders.tsm)
  assert.equal(await kind('auto'), 'tsm')
  fakeGramine(folders.gramine, { user_report_data: '' })
  assert.equal(await kind('auto'), 'gramine')
  for (const choice of ['none', 'gramine', 'tsm'] as const) assert.equal(await kind(choice), choice)
})

void test('a TEE that is there but fails never becomes simulation', async (t) => {
  const base = temporaryFolder(t)
  const folders = { gramine: path.join(base, 'attestation'), tsm: path.join(base, 'report') }
  mkdirSync(folders.gramine)
  fakeGramine(folders.gramine, { user_report_data: '' })
  const provider = await chooseEvidence('auto', folders)
  await assert.rejects(provider.quote(reportData), unavailable(/quote/))
})
