import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Appraisal } from './appraisal.ts'
import { PolicyMismatch } from './errors.ts'

const field = { name: 'a-name', what: 'the thing', remedy: 'do this' }

test('records what passes, and leaves out what the policy does not name', () => {
  const appraisal = new Appraisal([{ name: 'before', outcome: 'passed' }])
  appraisal.oneOf(field, undefined, 'x')
  appraisal.flag(field, undefined, true)
  appraisal.atLeast(field, undefined, 1)
  appraisal.numberIn(field, undefined, 1)
  appraisal.oneOf(field, ['AB', 'cd'], 'ab')
  appraisal.atLeast(field, 2, 2)
  appraisal.flag(field, true, true)
  appraisal.numberIn(field, [1, 2], 2)
  assert.deepEqual(
    appraisal.checks.map(({ name, found }) => [name, found]),
    [
      ['before', undefined],
      ['a-name', 'ab'],
      ['a-name', '2'],
      ['a-name', 'yes'],
      ['a-name', '2'],
    ],
  )
})

test('throws what was expected, found, and what to do, with all checks up to there', () => {
  const failures: readonly (readonly [(appraisal: Appraisal) => void, string, string])[] = [
    [
      (appraisal) => {
        appraisal.oneOf(field, ['ab', 'cd'], 'ef')
      },
      'ab or cd',
      'ef',
    ],
    [
      (appraisal) => {
        appraisal.oneOf(field, [], 'ef')
      },
      'nothing (the list is empty)',
      'ef',
    ],
    [
      (appraisal) => {
        appraisal.atLeast(field, 3, 2)
      },
      'at least 3',
      '2',
    ],
    [
      (appraisal) => {
        appraisal.atLeast(field, Number.NaN, 2)
      },
      'at least NaN',
      '2',
    ],
    [
      (appraisal) => {
        appraisal.flag(field, false, true)
      },
      'no',
      'yes',
    ],
    [
      (appraisal) => {
        appraisal.numberIn(field, [1], 11)
      },
      '1',
      '11',
    ],
    [
      (appraisal) => {
        appraisal.holds(field, false, { expected: 'e', found: 'f' })
      },
      'e',
      'f',
    ],
  ]
  for (const [compare, expected, found] of failures) {
    const appraisal = new Appraisal()
    appraisal.flag({ ...field, name: 'first' }, true, true)
    assert.throws(
      () => {
        compare(appraisal)
      },
      (error) => {
        assert.ok(error instanceof PolicyMismatch)
        assert.deepEqual(
          [error.check, error.expected, error.found, error.remedy],
          ['a-name', expected, found, 'do this'],
        )
        assert.deepEqual(
          error.checks.map(({ name, outcome }) => `${name} ${outcome}`),
          ['first passed', 'a-name failed'],
        )
        return true
      },
    )
  }
})
