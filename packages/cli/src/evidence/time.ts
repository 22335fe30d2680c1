import type { FlagValues } from '../arguments/flag.ts'
import { CliError } from '../errors.ts'

/** RFC 3339, section 5.6: date and time with seconds, and an offset. */
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** @returns the time of `--time`; `now` when it is not given */
export function timeOf(flags: FlagValues, now: Date, exitCode: number): Date {
  const text = flags.string('time')
  if (text === undefined) return now
  const time = new Date(text.toUpperCase().replace(' ', 'T'))
  const [, , month = '', day = ''] = RFC3339.exec(text) ?? []
  // Date takes February 30 for March 2.
  const isDay = Number(day) >= 1 && Number(day) <= daysIn(Number(text.slice(0, 4)), Number(month))
  if (isDay && !Number.isNaN(time.getTime())) return time
  throw new CliError(
    `--time ${JSON.stringify(text)}: that is no time in RFC 3339; write it like 2025-07-04T10:16:31Z`,
    { exitCode },
  )
}

const daysIn = (year: number, month: number): number =>
  month >= 1 && month <= 12 ? new Date(Date.UTC(year, month, 0)).getUTCDate() : 0
