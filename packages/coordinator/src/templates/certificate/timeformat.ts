import type { ByteString } from '../bytes.ts'
import type { Civil } from './civil.ts'

export const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

export const weekdayNames = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
] as const

/**
 * The parts of a layout that stand for parts of a time (Go's package time: the reference time is
 * `Mon Jan 2 15:04:05 MST 2006`). All else is literal.
 */
const layoutPart =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm|-07(?:0000|:00:00|00|:00)?|Z07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])/g

const pad = (number: number, width: number, fill = '0'): string => number.toString().padStart(width, fill)

const hour12 = (hour: number): number => (hour % 12 === 0 ? 12 : hour % 12)

/** A year with four digits at least; the sign of one before the year 0 stands before them. */
const paddedYear = (year: number): string => (year < 0 ? `-${pad(-year, 4)}` : pad(year, 4))

const parts: ReadonlyMap<string, (time: Civil) => string> = new Map<string, (time: Civil) => string>([
  ['January', ({ month }) => monthNames[month - 1] ?? ''],
  ['Jan', ({ month }) => (monthNames[month - 1] ?? '').slice(0, 3)],
  ['1', ({ month }) => `${month}`],
  ['01', ({ month }) => pad(month, 2)],
  ['Monday', ({ weekday }) => weekdayNames[weekday] ?? ''],
  ['Mon', ({ weekday }) => (weekdayNames[weekday] ?? '').slice(0, 3)],
  ['2', ({ day }) => `${day}`],
  ['_2', ({ day }) => pad(day, 2, ' ')],
  ['02', ({ day }) => pad(day, 2)],
  ['__2', ({ yearDay }) => pad(yearDay, 3, ' ')],
  ['002', ({ yearDay }) => pad(yearDay, 3)],
  ['15', ({ hour }) => pad(hour, 2)],
  ['3', ({ hour }) => `${hour12(hour)}`],
  ['03', ({ hour }) => pad(hour12(hour), 2)],
  ['PM', ({ hour }) => (hour >= 12 ? 'PM' : 'AM')],
  ['pm', ({ hour }) => (hour >= 12 ? 'pm' : 'am')],
  ['4', ({ minute }) => `${minute}`],
  ['04', ({ minute }) => pad(minute, 2)],
  ['5', ({ second }) => `${second}`],
  ['05', ({ second }) => pad(second, 2)],
  ['2006', ({ year }) => paddedYear(year)],
  ['06', ({ year }) => pad(Math.abs(year) % 100, 2)],
  ['MST', () => 'UTC'],
  ['-07', () => '+00'],
  ['-0700', () => '+0000'],
  ['-07:00', () => '+00:00'],
  ['-070000', () => '+000000'],
  ['-07:00:00', () => '+00:00:00'],
])

/** A time in UTC by a Go layout. */
export function formatTime(time: Civil, nanoseconds: number, layout: ByteString): ByteString {
  return layout.replace(layoutPart, (part) => {
    const format = parts.get(part)
    if (format !== undefined) return format(time)
    if (part.startsWith('Z')) return 'Z'
    const digits = pad(nanoseconds, 9)
      .slice(0, part.length - 1)
      .padEnd(part.length - 1, '0')
    if (part[1] === '0') return part.slice(0, 1) + digits
    const trimmed = digits.replace(/0+$/, '')
    return trimmed === '' ? '' : part.slice(0, 1) + trimmed
  })
}
