import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

import fc from 'fast-check'

import { temporaryFolder } from '../../../../tests/support/marble-process.ts'
import { MarbleError } from '../errors.ts'
import { findExecutable } from './executable.ts'

const refused = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MarbleError)
  assert.equal(error.code, code)
  assert.match(error.message, pattern)
  return true
}

function script(file: string, text = '#!/bin/sh\n', mode = 0o755): string {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}

void test('a name with a slash is a path, from the working folder', (t) => {
  const folder = temporaryFolder(t)
  const app = script(path.join(folder, 'app'))
  assert.equal(findExecutable('./app', undefined, folder), app)
  assert.equal(findExecutable(app, '/nowhere', '/'), app)
})

void test('a plain name is looked for in PATH, in order; an empty folder is the working folder', (t) => {
  const folder = temporaryFolder(t)
  script(path.join(folder, 'a/app'), '#!/bin/sh\n', 0o644)
  const second = script(path.join(folder, 'b/app'))
  script(path.join(folder, 'c/app'))
  const here = script(path.join(folder, 'here'))
  mkdirSync(path.join(folder, 'a/folder'))
  assert.equal(findExecutable('app', `${folder}/none:${folder}/a:${folder}/b:${folder}/c`, '/'), second)
  assert.equal(findExecutable('here', ':/nowhere', folder), here)
  assert.equal(findExecutable('sh', undefined, folder), '/bin/sh', 'without PATH: the system folders')
})

void test('missing is not the same as unusable', (t) => {
  const folder = temporaryFolder(t)
  const find =
    (name: string, search = folder) =>
    () =>
      findExecutable(name, search, folder)
  script(path.join(folder, 'plain'), '#!/bin/sh\n', 0o644)
  mkdirSync(path.join(folder, 'folder'))
  assert.throws(find('none'), refused('executable_missing', /"none": it is in none of the folders of PATH/))
  assert.throws(find('./none'), refused('executable_missing', /no such file/))
  assert.throws(find('plain/x'), refused('executable_missing', /no such file/))
  assert.throws(find(''), refused('executable_missing', /""/))
  assert.throws(find('plain'), refused('executable_unusable', /EACCES/))
  assert.throws(find('folder'), refused('executable_unusable', /no regular file/))
})

void test('what the kernel would refuse is found before: it would abort the process', (t) => {
  const folder = temporaryFolder(t)
  const find = (text: string) => () => findExecutable(script(path.join(folder, 'app'), text), undefined, '/')
  assert.throws(find('echo hello\n'), refused('executable_unusable', /neither an ELF file nor a script/))
  assert.throws(find(''), refused('executable_unusable', /neither/))
  assert.throws(find('#!\n'), refused('executable_unusable', /neither/))
  assert.throws(
    find('#! /no/such/interpreter -x\n'),
    refused('executable_unusable', /"\/no\/such\/interpreter".*ENOENT/),
  )
  assert.ok(find('#! /bin/sh -e\n')())
})

void test("an ELF file's loader is looked for", (t) => {
  const node = path.join(temporaryFolder(t), 'node')
  copyFileSync(process.execPath, node)
  assert.equal(findExecutable(node, undefined, '/'), node)
  const bytes = readFileSync(node)
  const loader = /\/lib[\w/.-]*ld-[\w.-]+/.exec(bytes.toString('latin1', 0, 4096))
  assert.ok(loader, 'Node.js is linked dynamically')
  bytes.write('/xxx', loader.index)
  writeFileSync(node, bytes)
  assert.throws(() => findExecutable(node, undefined, '/'), refused('executable_unusable', /"\/xxx.*ENOENT/))
})

void test('a damaged ELF head is left to the kernel, or refused, but never breaks', (t) => {
  const file = script(path.join(temporaryFolder(t), 'app'))
  const head = readFileSync(process.execPath).subarray(0, 1024)
  fc.assert(
    fc.property(fc.nat(1023), fc.nat(1023), fc.nat(255), (length, position, value) => {
      const damaged = Buffer.from(head.subarray(0, length))
      if (position < length) damaged[position] = value
      writeFileSync(file, damaged)
      try {
        findExecutable(file, undefined, '/')
      } catch (error) {
        assert.ok(error instanceof MarbleError)
      }
    }),
    { numRuns: 200 },
  )
})
