import { bytesTo } from '../bytes.ts'
import {
  boolValue,
  bytesValue,
  int64Type,
  intType,
  intValue,
  noMethods,
  pointerValue,
  stringType,
  stringValue,
  structValue,
  uint64Type,
  uintValue,
  zeroValue,
  type GoMethod,
  type GoValue,
  type PointerType,
  type ScalarType,
  type StructType,
  type StructValue,
} from '../values.ts'
import { civilOf, momentOf, unixEpoch, type Moment } from './civil.ts'
import { durationType, durationValue } from './durations.ts'
import { getter, needed, uncallable, unary } from './methods.ts'
import { formatTime, monthNames, weekdayNames } from './timeformat.ts'

// Go's time.Time, in UTC: certificates know no other zone.

const named = (name: string, names: readonly string[], first: number): ScalarType => ({
  kind: 'int',
  name,
  methods: new Map([
    [
      'String',
      getter((value) => {
        const number = value.kind === 'int' ? Number(value.value) : 0
        return stringValue(names[number - first] ?? `%!${name.slice('time.'.length)}(${number})`)
      }),
    ],
  ]),
})
const monthType = named('time.Month', monthNames, 1)
const weekdayType = named('time.Weekday', weekdayNames, 0)

const locationStruct: StructType = { kind: 'struct', name: 'time.Location', methods: noMethods, fields: [] }
const locationType: PointerType = {
  kind: 'pointer',
  name: '*time.Location',
  element: locationStruct,
  methods: new Map([['String', getter(() => stringValue('UTC'))]]),
}

const methods = new Map<string, GoMethod>()
export const timeType: StructType = {
  kind: 'struct',
  name: 'time.Time',
  methods,
  // How Go keeps a time: nanoseconds, seconds since the year 1, and nil for UTC. They print under odd verbs.
  fields: [
    { name: 'wall', type: uint64Type },
    { name: 'ext', type: int64Type },
    { name: 'loc', type: locationType },
  ],
}

export const timeValue = (moment: Moment): StructValue =>
  structValue(timeType, [
    uintValue(BigInt(moment.nanoseconds), uint64Type),
    intValue(moment.seconds, int64Type),
    zeroValue(locationType),
  ])

function momentBehind(value: GoValue): Moment {
  if (value.kind !== 'struct') return { seconds: 0n, nanoseconds: 0 }
  const wall = value.field(0)
  const ext = value.field(1)
  return {
    seconds: ext.kind === 'int' ? ext.value : 0n,
    nanoseconds: wall.kind === 'uint' ? Number(wall.value) : 0,
  }
}

const billion = 1_000_000_000n

/** All nanoseconds since the start of the year 1. */
const totalOf = (value: GoValue): bigint => {
  const { seconds, nanoseconds } = momentBehind(value)
  return seconds * billion + BigInt(nanoseconds)
}

function momentFromTotal(total: bigint): Moment {
  const nanoseconds = ((total % billion) + billion) % billion
  return { seconds: (total - nanoseconds) / billion, nanoseconds: Number(nanoseconds) }
}

const sinceEpoch = (value: GoValue): bigint => totalOf(value) - unixEpoch * billion

const civil = (value: GoValue) => civilOf(momentBehind(value))

function formatted(value: GoValue, layout: string): string {
  return formatTime(civil(value), momentBehind(value).nanoseconds, layout)
}

const part = (get: (value: GoValue) => number | bigint, type: GoValue['type'] = intType): GoMethod =>
  getter((value) => intValue(BigInt(get(value)), type))

/** Whole units since 1970, rounded down. */
const unix = (unit: bigint): GoMethod =>
  part((value) => {
    const total = sinceEpoch(value)
    return BigInt.asIntN(64, (total - (((total % unit) + unit) % unit)) / unit)
  }, int64Type)

const comparison = (holds: (left: bigint, right: bigint) => boolean): GoMethod =>
  unary(timeType, (left, right) => boolValue(holds(totalOf(left), totalOf(right))))

const rfc3339 = '2006-01-02T15:04:05.999999999Z07:00'

function goString(value: GoValue): string {
  const { year, month, day, hour, minute, second } = civil(value)
  const { nanoseconds } = momentBehind(value)
  const parts = [
    year,
    `time.${monthNames[month - 1] ?? ''}`,
    day,
    hour,
    minute,
    second,
    nanoseconds,
    'time.UTC',
  ]
  return `time.Date(${parts.join(', ')})`
}

const integer = (value: GoValue | undefined): number => {
  const operand = needed(value)
  return operand.kind === 'int' ? Number(operand.value) : 0
}

const addDate: GoMethod = {
  parameters: [intType, intType, intType],
  call: (value, [years, months, days]) => {
    const { year, month, day, hour, minute, second } = civil(value)
    const moment = momentOf(
      year + integer(years),
      month + integer(months),
      day + integer(days),
      hour,
      minute,
      second,
    )
    return timeValue({ ...moment, nanoseconds: momentBehind(value).nanoseconds })
  },
}

methods.set(
  'Year',
  part((value) => civil(value).year),
)
methods.set(
  'Month',
  part((value) => civil(value).month, monthType),
)
methods.set(
  'Day',
  part((value) => civil(value).day),
)
methods.set(
  'Hour',
  part((value) => civil(value).hour),
)
methods.set(
  'Minute',
  part((value) => civil(value).minute),
)
methods.set(
  'Second',
  part((value) => civil(value).second),
)
methods.set(
  'Nanosecond',
  part((value) => momentBehind(value).nanoseconds),
)
methods.set(
  'Weekday',
  part((value) => civil(value).weekday, weekdayType),
)
methods.set(
  'YearDay',
  part((value) => civil(value).yearDay),
)
methods.set('Unix', unix(billion))
methods.set('UnixMilli', unix(1_000_000n))
methods.set('UnixMicro', unix(1_000n))
methods.set('UnixNano', unix(1n))
methods.set(
  'IsZero',
  getter((value) => boolValue(totalOf(value) === 0n)),
)
methods.set(
  'IsDST',
  getter(() => boolValue(false)),
)
methods.set(
  'UTC',
  getter((value) => value),
)
// A Coordinator has no zone of its own.
methods.set(
  'Local',
  getter((value) => value),
)
methods.set(
  'Location',
  getter(() => pointerValue(locationType, structValue(locationStruct, []))),
)
methods.set(
  'Before',
  comparison((left, right) => left < right),
)
methods.set(
  'After',
  comparison((left, right) => left > right),
)
methods.set(
  'Equal',
  comparison((left, right) => left === right),
)
methods.set(
  'Compare',
  unary(timeType, (left, right) => {
    const difference = totalOf(left) - totalOf(right)
    return intValue(difference < 0n ? -1n : difference > 0n ? 1n : 0n)
  }),
)
methods.set(
  'Sub',
  unary(timeType, (left, right) => durationValue(totalOf(left) - totalOf(right))),
)
methods.set(
  'Add',
  unary(durationType, (value, duration) =>
    timeValue(momentFromTotal(totalOf(value) + (duration.kind === 'int' ? duration.value : 0n))),
  ),
)
methods.set('AddDate', addDate)
methods.set(
  'Format',
  unary(stringType, (value, layout) =>
    stringValue(formatted(value, layout.kind === 'string' ? layout.value : '')),
  ),
)
methods.set(
  'String',
  getter((value) => stringValue(formatted(value, '2006-01-02 15:04:05.999999999 -0700 MST'))),
)
methods.set(
  'GoString',
  getter((value) => stringValue(goString(value))),
)
methods.set(
  'MarshalText',
  getter((value) => bytesValue(bytesTo(formatted(value, rfc3339)))),
)
methods.set(
  'MarshalJSON',
  getter((value) => bytesValue(bytesTo(`"${formatted(value, rfc3339)}"`))),
)
for (const name of ['Clock', 'Date', 'ISOWeek', 'Zone', 'ZoneBounds']) methods.set(name, uncallable)
