import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import { temporaryFolder } from '../../../../tests/support/marble-process.ts'
import { MarbleError } from '../errors.ts'
import { SecretBytes } from '../secret-bytes.ts'
import { writeFiles } from './files.ts'

const files = (values: Readonly<Record<string, string | Uint8Array>>): Map<string, SecretBytes> =>
  new Map(Object.entries(values).map(([name, value]) => [name, new SecretBytes(Buffer.from(value))]))

const mode = (file: string): number => statSync(file).mode & 0o777

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof MarbleError && error.code === 'grant_inapplicable' && pattern.test(error.message)

void test('new folders get 0700, new files 0600, whatever the umask is', async (t) => {
  const workingFolder = temporaryFolder(t)
  const absolute = path.join(workingFolder, 'out/deep/f')
  const before = process.umask(0)
  t.after(() => process.umask(before))
  await writeFiles(files({ [absolute]: 'data', 'relative/x': Buffer.from([0, 255]), './y': '' }), {
    workingFolder,
  })
  assert.equal(readFileSync(absolute, 'utf8'), 'data')
  assert.deepEqual(readFileSync(path.join(workingFolder, 'relative/x')), Buffer.from([0, 255]))
  assert.equal(mode(path.join(workingFolder, 'y')), 0o600)
  for (const folder of ['out', 'out/deep', 'relative'])
    assert.equal(mode(path.join(workingFolder, folder)), 0o700)
  process.umask(0o777)
  await writeFiles(files({ z: 'data' }), { workingFolder })
  assert.equal(mode(path.join(workingFolder, 'z')), 0o600)
})

void test('a file that was there becomes 0600, and who has it open does not see the new contents', async (t) => {
  const workingFolder = temporaryFolder(t)
  const existing = path.join(workingFolder, 'pre', 'existing')
  mkdirSync(path.dirname(existing), { mode: 0o755 })
  writeFileSync(existing, 'old and much longer', { mode: 0o644 })
  const reader = openSync(existing, 'r')
  await writeFiles(files({ 'pre/existing': 'new' }), { workingFolder })
  assert.equal(readFileSync(existing, 'utf8'), 'new')
  assert.equal(mode(existing), 0o600)
  assert.equal(mode(path.dirname(existing)), 0o755, 'folders that were there stay as they were')
  assert.deepEqual(readdirSync(path.dirname(existing)), ['existing'])
  const seen = Buffer.alloc(100)
  assert.equal(seen.toString('utf8', 0, readSync(reader, seen)), 'old and much longer')
  closeSync(reader)
})

void test('links stay links, to files that are there or not', async (t) => {
  const workingFolder = temporaryFolder(t)
  const at = (name: string): string => path.join(workingFolder, name)
  writeFileSync(at('target'), 'old and much longer', { mode: 0o644 })
  symlinkSync('target', at('link'))
  symlinkSync('later', at('dangling'))
  await writeFiles(files({ link: 'new', dangling: 'made' }), { workingFolder })
  assert.ok(lstatSync(at('link')).isSymbolicLink())
  assert.equal(readFileSync(at('target'), 'utf8'), 'new')
  assert.equal(mode(at('target')), 0o600)
  assert.equal(readFileSync(at('later'), 'utf8'), 'made')
  assert.equal(mode(at('later')), 0o600)
})

void test('a pipe gets the bytes and stays a pipe', async (t) => {
  const workingFolder = temporaryFolder(t)
  const pipe = path.join(workingFolder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  t.after(() => {
    closeSync(reader)
  })
  await writeFiles(files({ pipe: 'through' }), { workingFolder })
  const seen = Buffer.alloc(100)
  assert.equal(seen.toString('utf8', 0, readSync(reader, seen)), 'through')
  assert.ok(lstatSync(pipe).isFIFO())
})

void test(
  'a file in a folder that is not writable is written in place',
  { skip: process.getuid?.() === 0 ? 'root may write everywhere' : false },
  async (t) => {
    const workingFolder = temporaryFolder(t)
    const file = path.join(workingFolder, 'f')
    writeFileSync(file, 'old and much longer', { mode: 0o644 })
    chmodSync(workingFolder, 0o500)
    await writeFiles(files({ f: 'new' }), { workingFolder })
    chmodSync(workingFolder, 0o700)
    assert.equal(readFileSync(file, 'utf8'), 'new')
    assert.equal(mode(file), 0o600)
  },
)

void test('what cannot be written is refused by name, without contents', async (t) => {
  const workingFolder = temporaryFolder(t)
  mkdirSync(path.join(workingFolder, 'folder'))
  writeFileSync(path.join(workingFolder, 'file'), '')
  for (const [name, says] of [
    ['folder', /"folder" of the manifest: EISDIR/],
    ['folder/', /names no file/],
    ['', /names no file/],
    ['file/below', /EEXIST|ENOTDIR/],
    ['nul\0', /null bytes/],
  ] as const) {
    await assert.rejects(writeFiles(files({ [name]: 'PLANTED' }), { workingFolder }), (error) => {
      assert.ok(refused(says)(error), String(error))
      assert.doesNotMatch(String(error), /PLANTED/)
      return true
    })
  }
})

void test('keys for Gramine come first, in place, and only where Gramine has them', async (t) => {
  const workingFolder = temporaryFolder(t)
  const gramineFolder = path.join(workingFolder, 'dev/attestation')
  const key = path.join(gramineFolder, 'keys/default')
  mkdirSync(path.dirname(key), { recursive: true })
  writeFileSync(key, 'x'.repeat(16), { mode: 0o644 })
  const inode = statSync(key).ino
  // A folder in place of the file makes the second write fail, after the key was written.
  mkdirSync(path.join(workingFolder, 'aaa'))
  const grants = files({ aaa: 'x', [`${gramineFolder}/keys/../keys/default`]: '0123456789abcdef' })
  await assert.rejects(writeFiles(grants, { workingFolder, gramineFolder }), refused(/"aaa"/))
  assert.equal(readFileSync(key, 'utf8'), '0123456789abcdef')
  assert.equal(statSync(key).ino, inode)
  assert.equal(mode(key), 0o644, 'a pseudo-file keeps its mode')

  for (const missing of ['keys/other', 'protected_files_key']) {
    const target = path.join(gramineFolder, missing)
    await assert.rejects(
      writeFiles(files({ [target]: 'k' }), { workingFolder, gramineFolder }),
      refused(/not Gramine/),
    )
    assert.throws(() => statSync(target), /ENOENT/)
  }
})
