import type { PolicyForm } from '@taw/attestation'
import type { JsonValue } from './json.ts'
import { bytes, flag, list, map, record, reportWrongKind, text, unsigned64, type Shape } from './shape.ts'

/**
 * Decodes what `@taw/attestation` reads policies from, so that the fields of packages are listed there alone: objects
 * with names in their canonical spelling, texts, flags, bigints, bytes. What these may be is for the library to say.
 */
export function policyShape(form: PolicyForm): Shape<unknown> {
  switch (form.kind) {
    case 'text':
      return text
    case 'flag':
      return flag
    case 'integer':
      return unsigned64
    case 'bytes':
      return bytes
    case 'scalar':
      return scalar
    case 'list':
      return list(policyShape(form.item))
    case 'one-or-list':
      return oneOrList(policyShape(form.item))
    case 'map':
      return namedByUser(policyShape(form.entry))
    case 'object':
      return record(membersOf(form))
  }
}

type ObjectForm = Extract<PolicyForm, { readonly kind: 'object' }>

/** The shape of an object, for those who look at its members. */
export const policyRecord = (form: ObjectForm): Shape<Readonly<Record<string, unknown>>> =>
  record(membersOf(form))

const membersOf = ({ members }: ObjectForm): Readonly<Record<string, Shape<unknown>>> =>
  Object.fromEntries(Object.entries(members).map(([name, member]) => [name, policyShape(member)]))

const scalar: Shape<unknown> = {
  expects: 'a string, a number, true or false',
  empty: () => undefined,
  read(value, place, _former, context) {
    if (value.kind === 'string' || value.kind === 'boolean') return value.value
    if (value.kind === 'number') return Number(value.text)
    reportWrongKind(this, value, place, context)
    return undefined
  },
}

function oneOrList(item: Shape<unknown>): Shape<unknown> {
  const several = list(item)
  const read = (value: JsonValue): Shape<unknown> => (value.kind === 'array' ? several : item)
  return {
    expects: `${item.expects}, or an array of such`,
    empty: () => undefined,
    read(value, place, _former, context) {
      if (value.kind !== 'object') return read(value).read(value, place, undefined, context)
      reportWrongKind(this, value, place, context)
      return undefined
    },
  }
}

function namedByUser(entry: Shape<unknown>): Shape<unknown> {
  const entries = map(entry)
  return {
    expects: entries.expects,
    empty: () => ({}),
    read(value, place, former, context) {
      const given = new Map(typeof former === 'object' && former !== null ? Object.entries(former) : [])
      return Object.fromEntries(entries.read(value, place, given, context))
    },
  }
}
