import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { assertNothingPlanted, findPlanted, plantedMarker } from './planted.ts'

const secret = { name: 'it', bytes: randomBytes(40) }
const around = (text: string | Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('what stands before "'), Buffer.from(text), Buffer.from('" and after')])

test('a planted secret is found in every writing that programs use', () => {
  const { bytes } = secret
  const writings: readonly (string | Uint8Array)[] = [
    bytes,
    bytes.toString('latin1'),
    JSON.stringify(bytes.toString('latin1')),
    Buffer.from(bytes.toString('latin1'), 'utf16le'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    ...[1, 2].map((count) => Buffer.concat([Buffer.alloc(count), bytes, Buffer.alloc(7)]).toString('base64')),
    Buffer.concat([Buffer.alloc(21), bytes])
      .toString('base64')
      .replace(/(.{64})/g, '$1\n'),
    JSON.stringify(bytes),
    JSON.stringify(new Uint8Array(bytes)),
    inspect(bytes),
    inspect(new Uint8Array(bytes), { breakLength: Infinity }),
    [...bytes].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  ]
  for (const writing of writings) {
    assert.notDeepEqual(findPlanted(around(writing), [secret]), [], inspect(writing))
    assert.notDeepEqual(findPlanted(around(writing).toString('latin1'), [secret]), [])
  }
})

test('nothing else is found', () => {
  for (const other of [randomBytes(100_000), randomBytes(50_000).toString('hex'), '']) {
    assert.deepEqual(findPlanted(around(other), [secret]), [])
  }
  assert.throws(() => findPlanted('', [{ name: 'short', bytes: randomBytes(7) }]))
})

test('a process that wrote one does not pass', (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-planted-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  assertNothingPlanted('{"msg":"nothing"}', folder)
  const written = `${plantedMarker}-4711`
  for (const output of [
    written,
    Buffer.from(`-${written}`).toString('base64'),
    '-----BEGIN EC PRIVATE KEY-----',
  ]) {
    assert.throws(() => {
      assertNothingPlanted(output, folder)
    }, /wrote what is secret: its output/)
  }
  writeFileSync(path.join(folder, 'file'), Buffer.from(written).toString('hex'))
  assert.throws(() => {
    assertNothingPlanted('', folder)
  }, /wrote what is secret: file/)
})
