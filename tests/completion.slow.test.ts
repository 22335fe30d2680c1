import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'

const taw = path.resolve(import.meta.dirname, '../node_modules/.bin/taw')
const run = (...args: string[]): string => execFileSync(taw, args, { encoding: 'utf8' })

/** What bash has after the script is read and the words are typed, the last of them without a blank after it. */
function completeInBash(...words: string[]): readonly string[] {
  const script = `
    source <("$1" completion bash)
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _taw_complete
    printf '%s\\n' "\${COMPREPLY[@]}"
    complete -p taw >&2`
  const shown = execFileSync('bash', ['-c', script, 'bash', taw, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return shown.split('\n').filter((line) => line !== '')
}

test('bash completes command lines', () => {
  assert.deepEqual(completeInBash('manifest', 'si'), ['signature'])
  assert.deepEqual(completeInBash('secret', '-c', 'a file', 'g'), ['get'])
  assert.deepEqual(completeInBash('certificate', ''), ['root', 'intermediate', 'chain'])
  assert.deepEqual(completeInBash('manifest', 'set', 'm'), [])
})

test('each shell that the original has a script for gets one', () => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const script = run('completion', shell)
    assert.match(script, /__complete/, shell)
    assert.equal(run('completion', shell, '--no-descriptions'), script)
  }
  assert.match(run('completion'), /bash/)
})
