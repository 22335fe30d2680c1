import { Composer, Lexer, Parser } from 'yaml'
import type { CST, Document, SchemaOptions, Tags } from 'yaml'
import { CliError } from '../errors.ts'
import { encodeGoJson } from './go-json.ts'
import { toJsonValue } from './json-value.ts'

/**
 * Levels of nesting. The parser keeps its own stack, but composing and converting recurse: 20 KB of `[` would
 * overflow theirs. A manifest needs about ten.
 */
const maxDepth = 200

/** A manifest has few; without a limit a few lines of aliases to aliases expand to gigabytes. */
const maxAliases = 100

/**
 * Converts a manifest in YAML to the compact JSON that is uploaded, hashed and verified: members sorted, no newline.
 * YAML 1.1 as the original's users write it (`yes` and `on` are Booleans, `0777` is octal, `<<` merges), but without
 * its base-60 numbers and its dates, which stay text.
 * @throws CliError for what is not YAML, has a member twice, is nested too deeply, or can't be said in JSON
 */
export function yamlToJson(text: string, source: string): string {
  const fail = (problem: string): never => {
    throw new CliError(`The manifest in ${source} is neither JSON nor YAML that can be read: ${problem}`)
  }
  const [document, second] = new Composer(schemaOptions).compose(
    parseWithinDepth(text, fail),
    true,
    text.length,
  )
  if (document === undefined) return fail('it is empty')
  if (second !== undefined) fail('it holds more than one document')
  const [problem] = document.errors
  if (problem !== undefined) fail(problem.message)
  return encodeGoJson(toJsonValue(convert(document, fail), fail))
}

const schemaOptions = {
  version: '1.1',
  schema: 'yaml-1.1',
  merge: true,
  intAsBigInt: true,
  uniqueKeys: true,
  prettyErrors: false,
  // `12:30` is a number to the base 60 in YAML 1.1, and a time or port in manifests.
  customTags: (tags: Tags): Tags =>
    tags.filter(
      (tag) => typeof tag === 'string' || (tag.tag !== 'tag:yaml.org,2002:timestamp' && !isBase60(tag)),
    ),
} as const satisfies SchemaOptions & Record<string, unknown>

const isBase60 = (tag: object): boolean => 'format' in tag && tag.format === 'TIME'

function parseWithinDepth(text: string, fail: (problem: string) => never): CST.Token[] {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme))
    if (parser.stack.length > maxDepth) fail(`it is nested more than ${maxDepth} levels deep`)
  }
  tokens.push(...parser.end())
  return tokens
}

function convert(document: Document.Parsed, fail: (problem: string) => never): unknown {
  try {
    return document.toJS({ mapAsMap: true, maxAliasCount: maxAliases })
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'an alias can not be resolved')
  }
}
