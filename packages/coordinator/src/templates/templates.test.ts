import assert from 'node:assert/strict'
import { test } from 'node:test'

import { outcomeOf, ownCases, ownData } from './testdata/load.ts'

const topics = Map.groupBy(ownCases, ({ id }) => id.replace(/ \d+$/, ''))

for (const [topic, cases] of topics)
  test(`templates do what Go makes of them: ${topic} (${cases.length})`, () => {
    for (const vector of cases)
      assert.deepEqual(
        outcomeOf(vector, ownData),
        vector.expected,
        `${vector.id}: ${Buffer.from(vector.source).toString()}`,
      )
  })
