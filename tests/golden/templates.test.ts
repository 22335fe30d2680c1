import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'

import type { TemplateData } from '../../packages/coordinator/src/templates/index.ts'
import {
  base64,
  list,
  member,
  outcomeOf,
  templateData,
  templateKind,
  text,
  type Vector,
} from '../../packages/coordinator/src/templates/testdata/load.ts'
import { readShared, sharedPath, skipWithoutShared } from '../support/shared.ts'

const folder = 'golden/templates'

/** A vector in the shape that the folder's README documents. */
function vectorOf(json: unknown): Vector {
  const encoded = member(json, 'template_base64')
  const source =
    encoded === undefined ? Buffer.from(text(member(json, 'template'))) : Buffer.from(text(encoded), 'base64')
  const expect = member(json, 'expect')
  const error = member(expect, 'error')
  return {
    id: text(member(json, 'id')),
    kind: templateKind(member(json, 'kind')),
    source: new Uint8Array(source),
    expected:
      error === undefined ? { output: text(member(expect, 'output_base64')) } : { error: text(error) },
  }
}

function isAsExpected(vector: Vector, data: TemplateData): boolean {
  return JSON.stringify(outcomeOf(vector, data)) === JSON.stringify(vector.expected)
}

test('every recorded template comes out as recorded', { skip: skipWithoutShared }, async (t) => {
  const data = templateData(readShared(`${folder}/data.json`))
  const files = readdirSync(sharedPath(folder)).filter(
    (name) => name.endsWith('.json') && name !== 'data.json',
  )
  assert.ok(files.length > 0, 'no recordings')
  for (const file of files) {
    const topic = readShared(`${folder}/${file}`)
    const vectors = list(member(topic, 'vectors')).map(vectorOf)
    const isRequired = member(topic, 'required') !== false
    await t.test(`${file} (${vectors.length})`, (t) => {
      const differing = vectors.filter((vector) => !isAsExpected(vector, data)).map(({ id }) => id)
      if (isRequired) assert.deepEqual(differing, [])
      else
        t.diagnostic(
          `${differing.length} of ${vectors.length} not required ones differ: ${differing.join(' ')}`,
        )
    })
  }
})

test('a wrong output would be noticed', { skip: skipWithoutShared }, () => {
  const data = templateData(readShared(`${folder}/data.json`))
  const expected = { output: base64(Buffer.from('wrong')) }
  const vector: Vector = { id: 'x', kind: 'file', source: new Uint8Array(Buffer.from('right')), expected }
  assert.equal(isAsExpected(vector, data), false)
})
