import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'

/** What the Coordinator and the marble each have of their own: neither takes code of the other into its TEE. */
interface SecretBytes {
  readonly length: number
  readonly reveal: () => Uint8Array
  readonly toString: () => string
}

/** Tries every serializer of Node's on secret bytes, and that they come out by name. */
export function testSecretBytes(SecretBytesOf: new (bytes: Uint8Array) => SecretBytes): void {
  const bytes = Buffer.from('planted-secret-4711')
  const secret = new SecretBytesOf(bytes)

  const redacting: Readonly<Record<string, () => string>> = {
    String: () => String(secret),
    'a template literal': () => `it is ${secret as unknown as string}`,
    join: () => [secret, secret].join(),
    'JSON.stringify': () => JSON.stringify(secret),
    'JSON.stringify within': () => JSON.stringify({ a: [{ secret }] }),
    inspect: () => inspect(secret),
    'inspect of a map': () => inspect(new Map([['a', { b: secret }]])),
    'inspect of hidden members': () => inspect({ secret }, { showHidden: true, depth: null, getters: true }),
    'inspect of an error with a cause': () => inspect(new Error('x', { cause: secret })),
    'inspect of an error with a member': () => inspect(Object.assign(new Error('x'), { secret })),
    ...Object.fromEntries(
      ['%s', '%o', '%O', '%j'].map((directive) => [directive, () => format(directive, secret)]),
    ),
  }

  for (const [name, write] of Object.entries(redacting)) {
    test(`${name} gives [redacted]`, () => {
      const text = write()
      assert.match(text, /\[redacted\]/)
      assert.doesNotMatch(text, /planted|70 6c 61|112,\s*108|cGxhbnRlZ/)
    })
  }

  const without: Readonly<Record<string, () => string | Buffer>> = {
    'inspect without its own': () => inspect(secret, { customInspect: false, showHidden: true, depth: null }),
    structuredClone: () => inspect(structuredClone(secret), { showHidden: true }),
    'v8.serialize': () => serialize({ secret }),
    'a copy of its members': () => JSON.stringify(Object.assign({}, secret)),
    'its members': () => Reflect.ownKeys(secret).join(),
    '%d': () => format('%d', secret),
  }

  for (const [name, write] of Object.entries(without)) {
    test(`${name} does not have the bytes`, () => {
      const text = Buffer.from(write()).toString('latin1')
      assert.doesNotMatch(text, /planted|70 6c 61|112,\s*108|cGxhbnRlZ/)
    })
  }

  test('the bytes come out where they are asked for by name', () => {
    assert.equal(secret.reveal(), bytes)
    assert.equal(secret.length, bytes.length)
  })
}
