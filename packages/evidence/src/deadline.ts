/**
 * The outcome of `work`, or an error when it takes too long. The work itself can't be stopped: a read from a pseudo-file
 * ends when the kernel ends it.
 *
 * @param what for the error, for example `waiting for a quote`
 */
export async function within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(new Error(`${what} took more than ${milliseconds} ms`))
  }, milliseconds)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
