import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MarbleError } from '../errors.ts'
import { checkSize } from './replace-process.ts'

const program = { file: '/bin/app', argv: ['app'], environment: {} }
const megabyte = 1024 * 1024

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof MarbleError && error.code === 'grant_inapplicable' && pattern.test(error.message)

void test('one string has at most 128 KiB with its NUL', () => {
  const environment = (length: number): Record<string, string> => ({ A: 'x'.repeat(length) })
  checkSize({ ...program, environment: environment(131_072 - 3) }, 8 * megabyte)
  assert.throws(
    () => {
      checkSize({ ...program, environment: environment(131_072 - 2) }, 8 * megabyte)
    },
    refused(/"A" has 131073 bytes.*131072 for one/),
  )
  assert.throws(
    () => {
      checkSize({ ...program, argv: ['app', 'ü'.repeat(65_536)] }, 8 * megabyte)
    },
    refused(/argument 1 has 131073 bytes/),
  )
})

void test('everything together has at most a quarter of the stack, and at most 6 MiB', () => {
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`A${index}`, 'x'.repeat(100_000)]))
  checkSize({ ...program, environment: many(20) }, 8 * megabyte)
  assert.throws(
    () => {
      checkSize({ ...program, environment: many(21) }, 8 * megabyte)
    },
    refused(/2097152 for all: give large values as files/),
  )
  checkSize({ ...program, environment: many(60) }, Number.POSITIVE_INFINITY)
  assert.throws(
    () => {
      checkSize({ ...program, environment: many(63) }, Number.POSITIVE_INFINITY)
    },
    refused(/6291456/),
  )
})
