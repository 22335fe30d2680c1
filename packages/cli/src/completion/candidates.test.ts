import assert from 'node:assert/strict'
import { test } from 'node:test'
import { globalFlags } from '../arguments/flags.ts'
import { commands } from '../commands.ts'
import { candidatesFor } from './candidates.ts'

const candidates = (...line: string[]): readonly string[] => candidatesFor(line, commands, globalFlags)

test('command words', () => {
  assert.deepEqual(candidates('ma'), ['manifest'])
  assert.deepEqual(candidates('rec'), ['recover', 'recover-with-signature'])
  assert.deepEqual([...candidates('manifest', 'update', '')].sort(), [
    'acknowledge',
    'apply',
    'cancel',
    'get',
    'plan',
  ])
  assert.deepEqual(candidates('recover-with-signature', 'p'), ['public-key'])
  assert.deepEqual(candidates('-i', 'manifest', '--keep-cert', 'g'), ['get'])
  assert.deepEqual(candidates('-o', 'file', 'manifest', 'lo'), ['log'])
  assert.deepEqual(candidates('completion', 'b'), ['bash'])
  assert.ok(!candidates('').includes('__complete'))
})

test('flags: those of the command, of its group, and of all', () => {
  assert.deepEqual(candidates('manifest', 'update', 'apply', '--c'), ['--cert', '--coordinator-cert'])
  assert.deepEqual(candidates('secret', '--ce'), ['--cert'])
  assert.deepEqual(candidates('secret', 'get', 'name', '--ou'), ['--output'])
  assert.deepEqual(candidates('status', '--out'), [])
  assert.deepEqual(candidates('--inse'), ['--insecure'])
  assert.ok(candidates('secret', 'get', '-').includes('-o'))
})

test('nothing where a file, a value or an argument belongs', () => {
  for (const line of [
    ['-o', ''],
    ['manifest', 'get', '-o', 'm'],
    ['manifest', 'get', '--output', '-'],
    ['manifest', 'get', '-io', 'm'],
    ['manifest', 'set', 'm'],
    ['status', ''],
    ['secret', 'get', 'a', 's'],
    ['run', '-'],
    ['run', '--', ''],
    ['status', '--', '-'],
    ['nope', 'm'],
  ]) {
    assert.deepEqual(candidates(...line), [], line.join(' '))
  }
  assert.deepEqual(candidates('manifest', 'get', '--output=x', '--keep'), ['--keep-cert'])
})
