/** The earliest of some dates; the end of time when there are none. */
export function earliest(dates: readonly Date[]): Date {
  // ECMA-262, 21.4.1.1: no Date is later.
  return new Date(Math.min(8.64e15, ...dates.map((date) => date.getTime())))
}

/** The latest of some dates; the start of time when there are none. */
export function latest(dates: readonly Date[]): Date {
  return new Date(Math.max(-8.64e15, ...dates.map((date) => date.getTime())))
}
