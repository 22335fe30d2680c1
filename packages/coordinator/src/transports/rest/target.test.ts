import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readTarget } from './target.ts'

test('a request target is read like its origin form', () => {
  const cases: readonly (readonly [target: string, path: string, query: string])[] = [
    ['/status', '/status', ''],
    ['/status?', '/status', ''],
    ['/status?a=b?c', '/status', 'a=b?c'],
    ['/api/v2/%73tatus?x=%31', '/api/v2/status', 'x=%31'],
    ['/api/v2/%73%74atu%53', '/api/v2/statuS', ''],
    ['https://localhost:4433/api/v2/secrets?s=a', '/api/v2/secrets', 's=a'],
    ['HTTPS://[::1]/status', '/status', ''],
    ['https://localhost', '', ''],
    ['https://localhost?x', '', 'x'],
    // No other path becomes one of the API's.
    ['/api%2Fv2%2fstatus', '/api%2Fv2%2fstatus', ''],
    ['/x/%2e%2e/status', '/x/../status', ''],
    ['//status', '//status', ''],
    ['/status%', '/status%', ''],
    ['/%zz%73tatus', '/%zz%73tatus', ''],
    ['/%ff', '/%ff', ''],
    ['/a+b', '/a+b', ''],
    ['ftp://localhost/status', 'ftp://localhost/status', ''],
    ['*', '*', ''],
    ['', '', ''],
  ]
  for (const [target, path, query] of cases) assert.deepEqual(readTarget(target), { path, query }, target)
})

test('however a path is encoded, it is the same', () => {
  const encoded = fc.array(fc.tuple(fc.constantFrom('/', 'a', 'Z', '2', '-', '.', '_'), fc.boolean()))
  fc.assert(
    fc.property(encoded, (octets) => {
      const plain = octets.map(([octet]) => octet).join('')
      const target = octets
        .map(([octet, isEncoded]) =>
          isEncoded && octet !== '/' ? `%${octet.charCodeAt(0).toString(16).padStart(2, '0')}` : octet,
        )
        .join('')
      assert.equal(readTarget(target).path, plain)
    }),
  )
})
