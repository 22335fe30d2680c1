import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'

import {
  compileTemplate,
  TemplateError,
  type TemplateData,
  type TemplateKind,
  type TemplateLimits,
  type TemplateSecret,
} from '../index.ts'

/** One template and what becomes of it. */
export interface Vector {
  readonly id: string
  readonly kind: TemplateKind
  readonly source: Uint8Array
  readonly expected: Outcome
}

/** The output in base64, or the stage that fails. */
export type Outcome = { readonly output: string } | { readonly error: string }

type Json = Readonly<Record<string, unknown>>

export const member = (json: unknown, name: string): unknown => object(json)[name]

function object(json: unknown): Json {
  assert.ok(typeof json === 'object' && json !== null && !Array.isArray(json), 'an object is expected')
  return Object.fromEntries(Object.entries(json))
}

export function list(json: unknown): readonly unknown[] {
  assert.ok(Array.isArray(json), 'a list is expected')
  return json
}

export function text(json: unknown): string {
  assert.ok(typeof json === 'string', 'a string is expected')
  return json
}

const bytes = (json: unknown): Uint8Array | undefined =>
  json === null || json === undefined ? undefined : new Uint8Array(Buffer.from(text(json), 'base64'))

function secret(json: unknown): TemplateSecret {
  const certificate = member(json, 'Cert')
  return {
    type: text(member(json, 'Type')),
    size: Number(member(json, 'Size')),
    shared: member(json, 'Shared') === true,
    userDefined: member(json, 'UserDefined') === true,
    validFor: Number(member(json, 'ValidFor')),
    certificate: certificate === null ? undefined : bytes(member(certificate, 'Raw')),
    private: bytes(member(json, 'Private')),
    public: bytes(member(json, 'Public')),
  }
}

const secrets = (json: unknown): ReadonlyMap<string, TemplateSecret> =>
  new Map(Object.entries(object(json)).map(([name, value]) => [name, secret(value)]))

/** Template data in the shape of `data.json`, here and among the recordings. */
export function templateData(json: unknown): TemplateData {
  const marbleRun = member(json, 'MarbleRun')
  return {
    secrets: secrets(member(json, 'Secrets')),
    previousSecrets: secrets(member(member(json, 'Previous'), 'Secrets')),
    marbleRun: {
      rootCA: secret(member(marbleRun, 'RootCA')),
      marbleCert: secret(member(marbleRun, 'MarbleCert')),
      coordinatorRoot: secret(member(marbleRun, 'CoordinatorRoot')),
      coordinatorIntermediate: secret(member(marbleRun, 'CoordinatorIntermediate')),
    },
  }
}

export function templateKind(json: unknown): TemplateKind {
  assert.ok(json === 'file' || json === 'env')
  return json
}

export const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64')

const read = (name: string): unknown => JSON.parse(readFileSync(path.join(import.meta.dirname, name), 'utf8'))

/** The data that our own cases run over. */
export const ownData: TemplateData = templateData(read('data.json'))

/** Our own cases, of `cases.json`. */
export const ownCases: readonly Vector[] = list(member(read('cases.json'), 'cases')).map((json, index) => {
  const error = member(json, 'error')
  const output = member(json, 'output')
  const expected =
    error !== undefined
      ? { error: text(error) }
      : { output: output === undefined ? text(member(json, 'outputBase64')) : base64(Buffer.from(text(output))) }
  return {
    id: `${text(member(json, 'topic'))} ${index + 1}`,
    kind: templateKind(member(json, 'kind')),
    source: new Uint8Array(Buffer.from(text(member(json, 'template')))),
    expected,
  }
})

/** Runs a vector. Anything but a TemplateError is a bug, and thrown. */
export function outcomeOf(
  { source, kind }: Pick<Vector, 'source' | 'kind'>,
  data: TemplateData,
  limits?: Partial<TemplateLimits>,
): Outcome {
  try {
    return { output: base64(compileTemplate(source, kind).execute(data, limits)) }
  } catch (error) {
    if (error instanceof TemplateError) return { error: error.stage }
    throw error
  }
}

/** The output as text, for a source as text. */
export function render(source: string, kind: TemplateKind = 'file', data: TemplateData = ownData): string {
  return Buffer.from(compileTemplate(new Uint8Array(Buffer.from(source)), kind).execute(data)).toString()
}
