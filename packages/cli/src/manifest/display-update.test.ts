import { test } from 'node:test'
import assert from 'node:assert/strict'
import { CliError } from '../errors.ts'
import { displayUpdated } from './display-update.ts'

const manifest = Buffer.from(
  JSON.stringify({
    Packages: { app: { SecurityVersion: 3, Debug: false }, lib: { SecurityVersion: 1, UniqueID: null } },
    Marbles: { web: { Package: 'app', Parameters: { Env: { EMPTY: '', A: '<b>' }, Argv: [] } } },
    Users: {},
  }),
)
const raised = (name: string, version: number): string =>
  JSON.stringify({
    time: 'now',
    update: 'SecurityVersion increased',
    user: 'u',
    package: name,
    'new version': version,
  })
const updated = '{"time":"now","update":"Complete Manifest updated"}'

/** The version of each package in the result. */
function versions(source: Uint8Array, log: readonly string[]): unknown {
  const result: unknown = JSON.parse(displayUpdated(source, log))
  return result && typeof result === 'object' && 'Packages' in result ? result.Packages : undefined
}

test('the log raises versions, Config is filled in, null and empty members are left out, all is sorted', () => {
  const text = displayUpdated(manifest, [
    '{"time":"now","update":"Initial manifest set"}',
    raised('app', 4),
    raised('app', 5),
  ])
  assert.equal(
    text,
    `{
    "Config": {
        "RecoveryThreshold": 0,
        "RotateRootSecret": false,
        "SealMode": "",
        "UpdateThreshold": 0
    },
    "Marbles": {
        "web": {
            "Package": "app",
            "Parameters": {
                "Env": {
                    "A": "<b>",
                    "EMPTY": ""
                }
            }
        }
    },
    "Packages": {
        "app": {
            "Debug": false,
            "SecurityVersion": 5
        },
        "lib": {
            "SecurityVersion": 1
        }
    }
}`,
  )
})

test('a full update starts anew: versions raised before it no longer count', () => {
  const log = [raised('app', 9), updated, raised('lib', 2)]
  assert.deepEqual(versions(manifest, log), {
    app: { SecurityVersion: 3, Debug: false },
    lib: { SecurityVersion: 2 },
  })
})

test('names match without case, unknown packages and other lines change nothing', () => {
  const lower = Buffer.from('{"packages":{"app":{"securityversion":1}},"config":{"sealmode":"Disabled"}}')
  const result: unknown = JSON.parse(
    displayUpdated(lower, [raised('app', 2), raised('gone', 3), '[]', 'null']),
  )
  assert.deepEqual(result, {
    packages: { app: { securityversion: 2 } },
    config: { sealmode: 'Disabled', UpdateThreshold: 0, RecoveryThreshold: 0, RotateRootSecret: false },
  })
})

test('integers stay exact, and odd names stay names', () => {
  const text = displayUpdated(
    Buffer.from('{"Packages":{"__proto__":{"ProductID":18446744073709551615}}}'),
    [],
  )
  assert.match(text, /"__proto__": \{\s+"ProductID": 18446744073709551615/)
})

test('what is no JSON object is refused', () => {
  for (const bad of ['', '[]', 'null', '{', '['.repeat(50_000) + ']'.repeat(50_000)]) {
    assert.throws(() => displayUpdated(Buffer.from(bad), []), CliError, bad.slice(0, 10))
  }
})
