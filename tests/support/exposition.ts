import assert from 'node:assert/strict'

/**
 * A strict reader of Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): what the
 * format says "must" or "should" is an assertion here.
 */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly type: string
  readonly samples: readonly Sample[]
}

const sampleLine = /^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/
const labelPair = /(?<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?<value>(?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y
const value = /^(?:[+-]?Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/

/** Name → family. */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  assert.ok(text.endsWith('\n'), 'the last line has no line feed')
  const families = new Map<string, { type: string; samples: Sample[] }>()
  const series = new Set<string>()
  let current: { name: string; type: string; samples: Sample[] } | undefined
  let help: string | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (word === 'HELP') {
      assert.ok(!families.has(name), `two HELP lines of ${name}`)
      help = name
    } else if (word === 'TYPE') {
      assert.equal(help, name, `${name} has no HELP line`)
      assert.match(rest, /^(?:counter|gauge|histogram|summary|untyped)$/)
      current = { name, type: rest, samples: [] }
      families.set(name, current)
    } else {
      const sample = parseSample(line)
      assert.ok(current, `"${line}" comes before any TYPE line`)
      const suffix = sample.name.slice(current.name.length)
      const suffixes = current.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      assert.ok(
        sample.name.startsWith(current.name) && suffixes.includes(suffix),
        `"${line}" is not of ${current.name}`,
      )
      const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
      assert.ok(!series.has(identity), `the series of "${line}" comes twice`)
      series.add(identity)
      current.samples.push(sample)
    }
  }
  for (const [name, family] of families) checkFamily(name, family)
  return families
}

function parseSample(line: string): Sample {
  const groups = sampleLine.exec(line)?.groups
  assert.ok(groups, `"${line}" is no sample`)
  assert.match(groups['value'] ?? '', value)
  const labels: Record<string, string> = {}
  const text = groups['labels'] ?? ''
  labelPair.lastIndex = 0
  while (labelPair.lastIndex < text.length) {
    const at = labelPair.lastIndex
    const pair = labelPair.exec(text)?.groups
    assert.ok(pair, `"${line}" has no label at ${at}`)
    const { name = '', value = '' } = pair
    assert.ok(!(name in labels), `"${line}" has the label ${name} twice`)
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return { name: groups['name'] ?? '', labels, value: Number(groups['value']?.replace('Inf', 'Infinity')) }
}

function checkFamily(name: string, { type, samples }: Family): void {
  for (const sample of samples) {
    if (type === 'counter') assert.ok(sample.value >= 0, `${name} is negative`)
    if (type === 'counter') assert.match(name, /_total$/)
  }
  if (type !== 'histogram') return
  const last = new Map<string, { le: number; count: number }>()
  for (const { name: sampleName, labels, value: count } of samples) {
    const { le, ...own } = labels
    const key = JSON.stringify(own)
    if (sampleName.endsWith('_bucket')) {
      const bound = Number(le?.replace('Inf', 'Infinity'))
      const former = last.get(key) ?? { le: -Infinity, count: 0 }
      assert.ok(bound > former.le && count >= former.count, `${name}: buckets are not cumulative`)
      last.set(key, { le: bound, count })
    } else if (sampleName.endsWith('_count')) {
      assert.deepEqual(last.get(key), { le: Infinity, count }, `${name}: +Inf is not the count`)
    }
  }
}

/** The sum of all samples of this name whose labels include these. */
export function sumOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const all = [...families.values()].flatMap(({ samples }) => samples)
  return all
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text))
    .reduce((sum, sample) => sum + sample.value, 0)
}
