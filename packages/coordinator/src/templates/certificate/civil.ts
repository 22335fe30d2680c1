/** A moment in UTC: whole seconds since the start of the year 1, and nanoseconds. The zero time is {0, 0}. */
export interface Moment {
  readonly seconds: bigint
  readonly nanoseconds: number
}

/** A date of the proleptic Gregorian calendar. */
export interface Civil {
  readonly year: number
  /** 1–12. */
  readonly month: number
  /** 1–31. */
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** 0 is Sunday. */
  readonly weekday: number
  /** 1–366. */
  readonly yearDay: number
}

const secondsPerDay = 86_400n

/** Seconds from the start of the year 1 to that of 1970. */
export const unixEpoch = 62_135_596_800n

const daysPer400Years = 146_097

/** Days before the first of a month, counted from the 1st of March of the year 0 (so that leap days come last). */
function daysBefore(year: number, month: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5)
  return (
    era * daysPer400Years +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear
  )
}

const firstDay = daysBefore(1, 1)

/** The moment of a date whose parts may be out of their range, as in month 14 or day 0. */
export function momentOf(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): Moment {
  const years = year + Math.floor((month - 1) / 12)
  const months = ((((month - 1) % 12) + 12) % 12) + 1
  const days = daysBefore(years, months) - firstDay + day - 1
  return {
    seconds: BigInt(days) * secondsPerDay + BigInt(hour * 3600 + minute * 60 + second),
    nanoseconds: 0,
  }
}

export function civilOf(moment: Moment): Civil {
  const secondOfDay = Number(((moment.seconds % secondsPerDay) + secondsPerDay) % secondsPerDay)
  const dayNumber = Number((moment.seconds - BigInt(secondOfDay)) / secondsPerDay)
  const days = dayNumber + firstDay
  const era = Math.floor(days / daysPer400Years)
  const dayOfEra = days - era * daysPer400Years
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = ((shiftedMonth + 2) % 12) + 1
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return {
    year,
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    hour: Math.floor(secondOfDay / 3600),
    minute: Math.floor(secondOfDay / 60) % 60,
    second: secondOfDay % 60,
    // The 1st of January of the year 1 was a Monday.
    weekday: (((dayNumber + 1) % 7) + 7) % 7,
    yearDay: days - daysBefore(year, 1) + 1,
  }
}
