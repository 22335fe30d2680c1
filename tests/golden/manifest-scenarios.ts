import { X509Certificate, createPublicKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readShared, sharedPath } from '../support/shared.ts'

/** A manifest that a recorded scenario sends, and what the original said to it. */
export interface RecordedManifest {
  /** `scenario#step`, steps counted from 1 as in the replay tool. */
  readonly id: string
  /** What the recording says about the step, for readers. */
  readonly about: string
  readonly raw: Uint8Array
  readonly isAccepted: boolean
}

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const objectOf = (value: unknown): Json => (isObject(value) ? value : {})
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** A placeholder that only a running Coordinator can fill. */
class Unresolved extends Error {}

/**
 * All manifests of the recorded scenarios that were sent to a Coordinator that takes one: posted to `/manifest`
 * before any was set, and those of full updates that succeeded, which had to be good in themselves.
 */
export function recordedManifests(): RecordedManifest[] {
  const files = readdirSync(sharedPath('golden/rest')).filter((name) => name.endsWith('.json'))
  return files.sort().flatMap((file) => {
    const scenario = objectOf(readShared(`golden/rest/${file}`))
    return manifestsOf(path.basename(file, '.json'), new Documents(objectOf(scenario['docs'])), scenario)
  })
}

function manifestsOf(name: string, documents: Documents, scenario: Json): RecordedManifest[] {
  const found: RecordedManifest[] = []
  let isSet = 'EDG_STARTUP_MANIFEST' in objectOf(scenario['env'])
  const steps = Array.isArray(scenario['steps']) ? scenario['steps'].map(objectOf) : []
  for (const [index, step] of steps.entries()) {
    if (step['do'] === 'restart' && step['wipe'] === true) isSet = false
    // What follows shows state 1, in which a manifest may be set again.
    if (step['do'] === 'delete-sealed-key' || step['do'] === 'write-sealed-key') isSet = false
    if (step['do'] !== 'rest' || step['method'] !== 'POST' || 'parallel' in step) continue
    const isAccepted = objectOf(step['expect'])['status'] === 200
    const isUpdate = /\/update(-manifest)?$/.test(textOf(step['path']))
    const isSetting = /^(\/api\/v2)?\/manifest$/.test(textOf(step['path']))
    if (!isSetting && !(isUpdate && isAccepted)) continue
    if (isSetting && isSet && !isAccepted) continue
    isSet ||= isAccepted
    const raw = documents.manifestIn(step)
    if (raw === undefined) continue
    const about = textOf(step['reason']) || textOf(step['note'])
    found.push({ id: `${name}#${index + 1}`, about, raw, isAccepted })
  }
  return found
}

/** The documents of one scenario; the format is described at the head of the replay tool. */
class Documents {
  readonly #docs: Json

  constructor(docs: Json) {
    this.#docs = docs
  }

  /** The bytes that reach the Coordinator as manifest; undefined when the request itself is what the step is about. */
  manifestIn(step: Json): Uint8Array | undefined {
    try {
      const isV2 = textOf(step['path']).startsWith('/api/v2/')
      if (!isV2) return isObject(step['body']) ? this.#bytes(step['body']) : undefined
      const { manifest } = objectOf(step['json'])
      return isObject(manifest) && isObject(manifest['$encode'])
        ? this.#bytes(manifest['$encode'])
        : undefined
    } catch (error) {
      if (error instanceof Unresolved) return undefined
      throw error
    }
  }

  #bytes(source: Json): Uint8Array {
    if ('doc' in source) return this.#document(this.#docs[textOf(source['doc'])], source['patch'])
    if ('text' in source) return Buffer.from(textOf(this.#expand(source['text'])))
    if ('hex' in source) return Buffer.from(textOf(source['hex']), 'hex')
    if ('json' in source) return Buffer.from(JSON.stringify(this.#expand(source['json'])))
    if ('repeat' in source) return Buffer.from(textOf(source['repeat']).repeat(Number(source['times'])))
    if (Array.isArray(source['concat']))
      return Buffer.concat(source['concat'].map((part) => this.#bytes(objectOf(part))))
    throw new Unresolved(`not a source of bytes: ${JSON.stringify(source)}`)
  }

  #document(named: unknown, patch: unknown): Uint8Array {
    let doc = named
    if (isObject(doc) && Array.isArray(doc['$patch'])) {
      doc = mergePatch(this.#docs[textOf(doc['$patch'][0])], doc['$patch'][1])
    }
    if (patch !== undefined) doc = mergePatch(doc, patch)
    if (isObject(doc) && '$text' in doc) return Buffer.from(textOf(this.#expand(doc['$text'])))
    return Buffer.from(JSON.stringify(this.#expand(doc)))
  }

  /** Fills the placeholders in every string of a value. */
  #expand(value: unknown): unknown {
    if (typeof value === 'string')
      return value.replace(/\$\{([^}]+)\}/g, (_, name: string) => placeholder(name))
    if (Array.isArray(value)) return value.map((item) => this.#expand(item))
    if (!isObject(value)) return value
    if (isObject(value['$encode'])) return Buffer.from(this.#bytes(value['$encode'])).toString('base64')
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.#expand(member)]))
  }
}

function placeholder(name: string): string {
  const [kind = '', key = ''] = name.split(':', 2)
  const read = (suffix: string) => readFileSync(sharedPath(`golden/rest/keys/${key}.${suffix}`), 'utf8')
  switch (kind) {
    case 'cert':
      return read('crt')
    case 'certder':
      return new X509Certificate(read('crt')).raw.toString('base64')
    case 'pub':
      return read('pub')
    case 'pubder':
      return createPublicKey(read('pub')).export({ type: 'spki', format: 'der' }).toString('base64')
    default:
      throw new Unresolved(name)
  }
}

/** RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged: Json = { ...objectOf(target) }
  for (const [name, member] of Object.entries(patch)) {
    if (member === null) Reflect.deleteProperty(merged, name)
    else merged[name] = mergePatch(merged[name], member)
  }
  return merged
}
