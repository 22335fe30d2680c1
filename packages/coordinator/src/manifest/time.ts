import type { CertificateTime } from './model.ts'

/**
 * Reads an RFC 3339 time as Go's JSON decoder does. It is lenient in three things: the hour may have one digit, the
 * fraction may follow a comma, and a zone offset may be up to 24:60. The fraction is dropped.
 */
export function parseTime(text: string): CertificateTime | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,]\d+)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(
    text,
  )
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  const [offsetHours = 0, offsetMinutes = 0] = match.slice(8).map((digits?: string) => Number(digits ?? 0))
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 24 || offsetMinutes > 60) return undefined
  const local = new Date(0)
  // Unlike Date.UTC, this does not take years below 100 for years of the 20th century.
  local.setUTCFullYear(year, month - 1, day)
  local.setUTCHours(hour, minute, second)
  const offset = (offsetHours * 60 + offsetMinutes) * 60 * (match[7] === '-' ? -1 : 1)
  return { epochSeconds: local.getTime() / 1000 - offset }
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
}
