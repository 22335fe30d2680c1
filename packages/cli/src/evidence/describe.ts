import { printable } from '@taw/client'
import { kindNames } from './read-evidence.ts'
import type { VerificationResult } from './result.ts'

/** The result for people: the verdict first; for an invalid one then what failed, why, and what to do. */
export function describeResult(result: VerificationResult, hasPolicy: boolean): string {
  const { verdict, kind, error, claims, checks } = result
  const name = kind === null ? 'no evidence that is known' : kindNames[kind]
  const passed = checks.filter(({ outcome }) => outcome === 'passed').map((one) => one.name)
  const skipped = checks.filter(({ outcome }) => outcome === 'skipped')
  const lines = [
    `${verdict.toUpperCase()}: ${name}`,
    ...(error === undefined
      ? []
      : [
          `Failed check: ${error.check}`,
          `Why: ${error.message}`,
          `Expected: ${error.expected}`,
          `Found: ${error.found}`,
          `What to do: ${error.remedy}`,
        ]),
    ...tcbLines(result),
    ...(passed.length > 0 ? [`Passed: ${passed.join(', ')}`] : []),
    ...skipped.map((one) => `Not checked: ${one.name} (${one.found ?? ''})`),
    ...(verdict === 'valid' ? [hasPolicy ? WITH_POLICY : WITHOUT_POLICY] : []),
    ...(claims === null
      ? []
      : ['', error === undefined ? 'Claims:' : 'Claims (genuine, but not allowed):', ...factLines(claims)]),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

const WITH_POLICY = 'The evidence is genuine, and what it shows is what the policy allows'
const WITHOUT_POLICY =
  'The evidence is genuine. Whether it is what you want was not looked at: give --policy, or compare the claims'

function tcbLines({ tcbStatus, advisories }: VerificationResult): string[] {
  if (tcbStatus === null) return []
  return [`TCB status: ${tcbStatus}${advisories.length > 0 ? `; advisories ${advisories.join(', ')}` : ''}`]
}

/** Nested facts, one a line: `body.mrenclave: ab…`. */
export function factLines(facts: Readonly<Record<string, unknown>>, path = ''): string[] {
  return Object.entries(facts).flatMap(([name, value]) => {
    const full = `${path}${name}`
    if (typeof value !== 'object' || value === null) return [`${full}: ${textOf(value)}`]
    if (!Array.isArray(value)) return factLines(Object.fromEntries(Object.entries(value)), `${full}.`)
    const items: readonly unknown[] = value
    if (items.every((item) => typeof item !== 'object' || item === null)) {
      return [`${full}: ${items.map(textOf).join(', ')}`]
    }
    return factLines(Object.fromEntries(items.map((item, index) => [String(index), item])), `${full}.`)
  })
}

const textOf = (value: unknown): string =>
  value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value)
