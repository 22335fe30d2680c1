import { test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expand } from './expand.ts'
import { FlagValues } from './flag.ts'
import type { Flag } from './flag.ts'

const flags: readonly Flag[] = [
  { name: 'insecure', short: 'i', type: 'bool', means: '' },
  { name: 'signature', short: 's', type: 'bool', means: '' },
  { name: 'output', short: 'o', type: 'string', means: '' },
  { name: 'nonce', type: 'string', means: '' },
  { name: 'accepted', short: 'a', type: 'strings', means: '' },
]

/** Operands as they are, flags as `name=value`, a problem as `!`. */
const read = (args: readonly string[]): readonly string[] =>
  expand(args, flags).map((word) =>
    'operand' in word ? word.operand : 'flag' in word ? `${word.flag.name}=${word.value}` : '!',
  )

for (const [line, words] of [
  ['a -i b', ['a', 'insecure=true', 'b']],
  ['--insecure host', ['insecure=true', 'host']],
  ['--insecure=false', ['insecure=false']],
  ['--insecure=F -i=0 -i=T', ['insecure=false', 'insecure=false', 'insecure=true']],
  ['-is', ['insecure=true', 'signature=true']],
  ['-si=false', ['signature=true', 'insecure=false']],
  ['-o file', ['output=file']],
  ['-ofile', ['output=file']],
  ['-o=file', ['output=file']],
  ['-iso file x', ['insecure=true', 'signature=true', 'output=file', 'x']],
  ['-isofile', ['insecure=true', 'signature=true', 'output=file']],
  ['--output=a=b', ['output=a=b']],
  ['--output=', ['output=']],
  ['--output -i', ['output=-i']],
  ['-o -- -i', ['output=--', 'insecure=true']],
  ['-i -- -o --insecure', ['insecure=true', '-o', '--insecure']],
  ['- -i', ['-', 'insecure=true']],
  ['--unknown x', ['!']],
  ['x -z y', ['x', '!']],
  ['-iz', ['insecure=true', '!']],
  ['-o', ['!']],
  ['--nonce', ['!']],
  ['--insecure=yes', ['!']],
  ['--insecure=', ['!']],
  ['--insec', ['!']],
] as const) {
  test(`the command line ${JSON.stringify(line)}`, () => {
    assert.deepEqual(read(line.split(' ')), words)
  })
}

test('a list is comma-separated and may be repeated', () => {
  const values = new FlagValues()
  for (const word of expand(['-a', 'x,y', '--accepted=z', '-a', ''], flags))
    if ('flag' in word) values.set(word.flag, word.value)
  assert.deepEqual(values.strings('accepted'), ['x', 'y', 'z'])
  assert.equal(new FlagValues().strings('accepted'), undefined)
})

test('any form of the same flags reads the same', () => {
  const value = fc.string({ unit: fc.constantFrom('a', '=', '-', ',', ' ', 'i'), minLength: 1 })
  fc.assert(
    fc.property(value, value, (output, nonce) => {
      const expected = ['insecure=true', `output=${output}`, `nonce=${nonce}`]
      assert.deepEqual(read(['-i', '-o', output, '--nonce', nonce]), expected)
      assert.deepEqual(read([`-io=${output}`, `--nonce=${nonce}`]), expected)
      assert.deepEqual(read(['--insecure=1', `--output=${output}`, '--nonce', nonce]), expected)
    }),
  )
})

test('whatever is given, each argument is read or refused', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('-', '=', 'i', 's', 'o', 'z', 'a') })), (args) => {
      assert.ok(expand(args, flags).length <= args.join('').length + args.length)
    }),
  )
})
