import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { readManifest } from './manifest-file.ts'

test('JSON stays as it is, YAML must be UTF-8', async (context) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'taw-manifest-'))
  context.after(() => {
    rmSync(folder, { recursive: true })
  })
  const file = path.join(folder, 'manifest')
  const read = async (bytes: string): Promise<string> => {
    writeFileSync(file, bytes, 'latin1')
    return Buffer.from(await readManifest(file)).toString('latin1')
  }
  assert.equal(await read('{ "b": 1, "a": "\xff" }\n'), '{ "b": 1, "a": "\xff" }\n')
  assert.equal(await read('b: 1\na: "\xc3\xbc"\n'), '{"a":"\xc3\xbc","b":1}')
  assert.equal(await read('\xef\xbb\xbfa: 1\n'), '{"a":1}')
  await assert.rejects(read('a: "\xff"\n'), /not UTF-8/)
  await assert.rejects(read('\xff\xfea\0:\0 \x001\0'), /not UTF-8/)
})
