import { Refusal } from '../../refusal.ts'

/** Any spelling of the parameter: who mistypes it must not get what a dry run is there to prevent. */
const anySpelling = /^dry[-_ ]?run$/i

/** Whether `?dry-run=1` is given. @throws {@link Refusal} `request_malformed` on anything but `1` and `0` */
export function asksForDryRun(query: URLSearchParams): boolean {
  const given = [...query].filter(([name]) => anySpelling.test(name))
  if (given.length === 0) return false
  const [[name, value] = ['', '']] = given
  if (given.length === 1 && name === 'dry-run' && (value === '0' || value === '1')) return value === '1'
  throw new Refusal(
    'request_malformed',
    `updating: the query asks for "${given
      .map((pair) => pair.join('='))
      .join('&')
      .slice(0, 100)}"; it can be ` + '"dry-run=1", "dry-run=0" or absent. Nothing was changed',
  )
}

/** Where there are no dry runs. @throws {@link Refusal} `request_malformed` */
export function refuseDryRun(query: URLSearchParams): void {
  if (!asksForDryRun(query)) return
  throw new Refusal(
    'request_malformed',
    'a dry run is there for POST /api/v2/update alone (send it the pending manifest to see what agreeing would do). ' +
      'Nothing was changed',
  )
}
