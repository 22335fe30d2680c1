import type { FieldValue, UpdatePlan } from '@taw/protocol'
import { ClientError } from './errors.ts'
import { isObject } from './shape.ts'

/** Tells whether a value has a shape. Members and codes that a newer Coordinator adds are passed over. */
type Guard<T> = (value: unknown) => value is T

const text: Guard<string> = (value) => typeof value === 'string'
const integer: Guard<number> = (value): value is number => Number.isSafeInteger(value)
const boolean: Guard<boolean> = (value) => typeof value === 'boolean'

const list =
  <T>(item: Guard<T>): Guard<readonly T[]> =>
  (value): value is readonly T[] =>
    Array.isArray(value) && value.every((one) => item(one))

/** Members that must be there, and members that may be absent. */
const record =
  <T extends object>(
    required: Readonly<Record<string, Guard<unknown>>>,
    optional: Readonly<Record<string, Guard<unknown>>> = {},
  ): Guard<T> =>
  (value): value is T =>
    isObject(value) &&
    Object.entries(required).every(([name, guard]) => guard(value[name])) &&
    Object.entries(optional).every(([name, guard]) => value[name] === undefined || guard(value[name]))

/** Deeper values than the Coordinator ever sends are not read. */
const deepest = 20

const isFieldValue = (value: unknown, depth = 0): value is FieldValue => {
  if (text(value) || typeof value === 'number' || boolean(value)) return true
  if (typeof value !== 'object' || value === null || depth > deepest) return false
  return Object.values(value).every((item) => isFieldValue(item, depth + 1))
}
const fieldValue: Guard<FieldValue> = (value) => isFieldValue(value)

const statements = list(record({ code: text, message: text, names: list(text) }))
const field = record({ field: text }, { before: fieldValue, after: fieldValue })
const activations = record({ total: integer, sinceLastUpdate: integer, marblesSinceLastUpdate: integer })

const isUpdatePlan: Guard<UpdatePlan> = record(
  {
    kind: text,
    manifestFingerprint: text,
    currentManifestFingerprint: text,
    differences: list(record({ member: text, change: text, fields: list(field) }, { name: text })),
    secrets: list(
      record({ name: text, type: text, scope: text, value: text }, { formerValue: text, olderValue: text }),
    ),
    authority: record({ root: text, intermediate: text, marbleRoot: text, rootSecret: text }),
    marbles: list(
      record(
        { type: text, change: text, activations, restart: list(record({ reason: text, names: list(text) })) },
        { activationsLeft: integer },
      ),
    ),
    recovery: record({ secrets: text, parties: list(text), needed: integer }),
    sealMode: record({ before: text, after: text }),
    irreversible: statements,
    warnings: statements,
    manifestWarnings: list(record({ path: text, line: integer, column: integer, message: text })),
  },
  {
    acknowledgements: record({
      threshold: integer,
      needed: integer,
      acknowledgedBy: list(text),
      missing: integer,
      missingUsers: list(text),
    }),
    pending: record({ manifestFingerprint: text, isThisManifest: boolean, acknowledgedBy: list(text) }),
  },
)

/** @throws ClientError `answer_invalid` */
export function readUpdatePlan(data: unknown): UpdatePlan {
  if (isUpdatePlan(data)) return data
  throw new ClientError(
    'answer_invalid',
    'Planning the update: the answer is no plan that this program can read; is it older than the Coordinator, or ' +
      'does the Coordinator know no dry runs?',
  )
}
