import type { CertificateTime } from '../manifest/model.ts'
import { element, sequence, tag, utf8 } from './der.ts'

/** 9999-12-31T23:59:59Z, the last second that a certificate can name; seconds since 1970. */
const lastSecond = 253_402_300_799

/** 0000-01-01T00:00:00Z, the first one. */
const firstSecond = -62_167_219_200

/** 0001-01-01T00:00:00Z. Go's zero time: in a template it counts as absent. */
export const zeroTime = -62_135_596_800

/** How long certificates without an end last: Go's largest duration, 2^63 - 1 nanoseconds; here in milliseconds. */
const longestValidity = 9_223_372_036_854.775

/** Begin and end of validity in whole seconds since 1970. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** Fractions of a second are cut off. */
export const epochSeconds = (time: Date): number => Math.floor(time.getTime() / 1000)

/** From `now` for about 292 years. */
export const unlimitedValidity = (now: Date): Validity => ({
  notBefore: epochSeconds(now),
  notAfter: Math.floor((now.getTime() + longestValidity) / 1000),
})

/** True when a certificate can name this time. */
export const isRepresentable = ({ epochSeconds }: CertificateTime): boolean =>
  epochSeconds >= firstSecond && epochSeconds <= lastSecond

/** Validity (RFC 5280, 4.1.2.5): UTCTime for the years from 1950 to 2049, else GeneralizedTime. */
export const encodeValidity = ({ notBefore, notAfter }: Validity): Uint8Array =>
  sequence(encodeTime(notBefore), encodeTime(notAfter))

function encodeTime(seconds: number): Uint8Array {
  if (!isRepresentable({ epochSeconds: seconds }))
    throw new RangeError(`no certificate can name the second ${seconds}`)
  const time = new Date(seconds * 1000)
  const year = time.getUTCFullYear()
  const inYear = [
    time.getUTCMonth() + 1,
    time.getUTCDate(),
    time.getUTCHours(),
    time.getUTCMinutes(),
    time.getUTCSeconds(),
  ].map(twoDigits)
  return year >= 1950 && year < 2050
    ? element(tag.utcTime, utf8(`${twoDigits(year % 100)}${inYear.join('')}Z`))
    : element(tag.generalizedTime, utf8(`${year.toString().padStart(4, '0')}${inYear.join('')}Z`))
}

const twoDigits = (number: number): string => number.toString().padStart(2, '0')

/**
 * Seconds since 1970 of a UTCTime or GeneralizedTime in the forms that RFC 5280 allows, undefined for others.
 * UTCTime years from 50 on are those of the 20th century.
 */
export function decodeTime(identifier: number, text: string): number | undefined {
  const pattern = identifier === tag.utcTime ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : generalizedTime
  const digits = pattern.exec(text)?.slice(1).map(Number)
  if (digits === undefined) return undefined
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = digits
  const time = new Date(0)
  time.setUTCFullYear(identifier === tag.utcTime ? year + (year >= 50 ? 1900 : 2000) : year, month - 1, day)
  time.setUTCHours(hours, minutes, seconds)
  // A day or hour that doesn't exist runs over into the next.
  const isReal = time.getUTCMonth() === month - 1 && time.getUTCDate() === day && time.getUTCHours() === hours
  return isReal && minutes < 60 && seconds < 60 ? time.getTime() / 1000 : undefined
}

const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
