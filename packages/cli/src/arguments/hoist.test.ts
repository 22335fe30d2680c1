import { test } from 'node:test'
import assert from 'node:assert/strict'
import { commands } from '../commands.ts'
import { globalFlags } from './flags.ts'
import { hoist } from './hoist.ts'

for (const [line, expected] of [
  ['status host -i', 'status host -i'],
  ['-i status host', 'status -i host'],
  ['--insecure=true -n space manifest get host', 'manifest get --insecure=true -n space host'],
  ['manifest --keep-cert get host', 'manifest get --keep-cert host'],
  ['manifest -o file get host', 'manifest get -o file host'],
  ['manifest -io file get host', 'manifest get -io file host'],
  ['manifest -io=file get host', 'manifest get -io=file host'],
  ['secret -c crt -k key get name host', 'secret get -c crt -k key name host'],
  ['secret get -o status host', 'secret get -o status host'],
  ['manifest get get', 'manifest get get'],
  ['-i', '-i'],
  ['--nonce', '--nonce'],
  ['unknown -i status', 'unknown -i status'],
  ['-- status', '-- status'],
  ['run -- app -i --x', 'run -- app -i --x'],
  ['run app -i', 'run app -i'],
] as const) {
  test(`the command line ${JSON.stringify(line)}`, () => {
    assert.deepEqual(hoist(line.split(' '), commands, globalFlags), expected.split(' '))
  })
}
