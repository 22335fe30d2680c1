import {
  floatValue,
  int64Type,
  intValue,
  stringValue,
  type GoMethod,
  type GoValue,
  type IntValue,
  type ScalarType,
} from '../values.ts'
import { getter, unary } from './methods.ts'

// Go's time.Duration: nanoseconds in 64 bits.

const methods = new Map<string, GoMethod>()
export const durationType: ScalarType = { kind: 'int', name: 'time.Duration', methods }

const maximum = 2n ** 63n - 1n

/** A duration; one that does not fit becomes the longest there is. */
export function durationValue(nanoseconds: bigint): IntValue {
  const limited = nanoseconds > maximum ? maximum : nanoseconds < -maximum - 1n ? -maximum - 1n : nanoseconds
  return intValue(limited, durationType)
}

const nanosecondsOf = (value: GoValue): bigint => (value.kind === 'int' ? value.value : 0n)

const units = {
  microsecond: 1_000n,
  millisecond: 1_000_000n,
  second: 1_000_000_000n,
  minute: 60_000_000_000n,
  hour: 3_600_000_000_000n,
}

/** The whole units and the rest, added as floats (so does Go). */
function inUnits(value: GoValue, unit: bigint): GoValue {
  const nanoseconds = nanosecondsOf(value)
  return floatValue(Number(nanoseconds / unit) + Number(nanoseconds % unit) / Number(unit))
}

/** As `72h3m0.5s`; below a second in the largest unit that leaves a whole number. */
function written(value: bigint): string {
  if (value === 0n) return '0s'
  const sign = value < 0n ? '-' : ''
  const magnitude = value < 0n ? -value : value
  if (magnitude < units.microsecond) return `${sign}${magnitude}ns`
  if (magnitude < units.millisecond) return `${sign}${decimal(magnitude, 3)}\xc2\xb5s`
  if (magnitude < units.second) return `${sign}${decimal(magnitude, 6)}ms`
  const hours = magnitude / units.hour
  const minutes = (magnitude / units.minute) % 60n
  const seconds = `${decimal(magnitude % units.minute, 9)}s`
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : sign + seconds
}

function decimal(number: bigint, places: number): string {
  const digits = number.toString().padStart(places + 1, '0')
  const fraction = digits.slice(-places).replace(/0+$/, '')
  return digits.slice(0, -places) + (fraction === '' ? '' : `.${fraction}`)
}

function truncated(value: bigint, unit: bigint): bigint {
  return unit <= 0n ? value : value - (value % unit)
}

/** To the nearest multiple, halves away from zero. */
function roundedTo(value: bigint, unit: bigint): bigint {
  if (unit <= 0n) return value
  const magnitude = value < 0n ? -value : value
  const rest = magnitude % unit
  const result = rest + rest < unit ? magnitude - rest : magnitude + unit - rest
  return value < 0n ? -result : result
}

methods.set(
  'String',
  getter((value) => stringValue(written(nanosecondsOf(value)))),
)
methods.set(
  'Hours',
  getter((value) => inUnits(value, units.hour)),
)
methods.set(
  'Minutes',
  getter((value) => inUnits(value, units.minute)),
)
methods.set(
  'Seconds',
  getter((value) => inUnits(value, units.second)),
)
methods.set(
  'Milliseconds',
  getter((value) => intValue(nanosecondsOf(value) / units.millisecond, int64Type)),
)
methods.set(
  'Microseconds',
  getter((value) => intValue(nanosecondsOf(value) / units.microsecond, int64Type)),
)
methods.set(
  'Nanoseconds',
  getter((value) => intValue(nanosecondsOf(value), int64Type)),
)
methods.set(
  'Abs',
  getter((value) => durationValue(nanosecondsOf(value) < 0n ? -nanosecondsOf(value) : nanosecondsOf(value))),
)
methods.set(
  'Truncate',
  unary(durationType, (value, unit) => durationValue(truncated(nanosecondsOf(value), nanosecondsOf(unit)))),
)
methods.set(
  'Round',
  unary(durationType, (value, unit) => durationValue(roundedTo(nanosecondsOf(value), nanosecondsOf(unit)))),
)
