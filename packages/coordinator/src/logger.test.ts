import assert from 'node:assert/strict'
import { hkdfSync } from 'node:crypto'
import { test } from 'node:test'
import { createLogger } from './logger.ts'
import { Refusal } from './refusal.ts'
import { SecretBytes } from './secrets/secret-bytes.ts'

const secret = 'planted-secret-4711'

/** What a logger writes to standard error meanwhile. */
function written(action: (log: ReturnType<typeof createLogger>) => void, development = false): string {
  const original = process.stderr.write.bind(process.stderr)
  let text = ''
  process.stderr.write = (chunk: string | Uint8Array): boolean => {
    text += String(chunk)
    return true
  }
  try {
    action(createLogger({ development, debug: true }))
  } finally {
    process.stderr.write = original
  }
  return text
}

function errorOf(action: () => unknown): Error {
  try {
    action()
  } catch (error) {
    if (error instanceof Error) return error
  }
  return assert.fail('it should throw')
}

const quoting: Readonly<Record<string, () => unknown>> = {
  'an argument of a wrong type': () => Buffer.alloc(Object(secret) as number),
  'an argument of a wrong value': () => Buffer.from('x').toString(secret as BufferEncoding),
  'a text that is no number': () => hkdfSync('sha256', 'x', 'x', 'x', secret as unknown as number),
  'the beginning of a JSON text': () => JSON.parse(secret) as unknown,
  'the middle of a JSON text': () => JSON.parse(`{"a":"${'b'.repeat(99)}" ${secret}}`) as unknown,
}

for (const [about, action] of Object.entries(quoting)) {
  test(`a defect is logged with its stack, and without the value that its error quotes: ${about}`, () => {
    const error = errorOf(action)
    for (const development of [false, true]) {
      const text = written((log) => {
        log.error({ error }, 'a defect')
      }, development)
      assert.doesNotMatch(text, /planted/)
      assert.match(text, /logger\.test\.ts/)
    }
  })
}

test('what refusals say, and what defects of our own say, stays', () => {
  const text = written((log) => {
    log.warn({ error: new Refusal('secret_unset', 'the "token" is not set') }, 'refused')
    log.error({ error: new Error('an invariant does not hold') }, 'a defect')
  })
  assert.match(text, /"error":"the \\"token\\" is not set"/)
  assert.match(text, /Error: an invariant does not hold/)
})

test('a secret in a field, in an error, or in its cause is not written', () => {
  const value = new SecretBytes(Buffer.from(secret))
  const text = written((log) => {
    const error = new Error(String(value), { cause: value })
    log.error({ value, deep: { values: [value] }, error }, String(value))
  })
  assert.doesNotMatch(text, /planted|cGxhbnRlZ/)
  assert.match(text, /\[redacted\]/)
})
