import type { Budget } from '../budget.ts'
import { bytesFrom, type ByteString } from '../bytes.ts'
import { isExported } from '../fields.ts'
import {
  bytesType,
  dataOf,
  elementAt,
  isNilSlice,
  stringValue,
  type BytesValue,
  type FormatFlags,
  type GoValue,
  type MapValue,
  type PointerValue,
  type SliceValue,
  type StructValue,
} from '../values.ts'
import { ScalarWriter } from './scalars.ts'

const nilText = '<nil>'

/**
 * What `%p` prints for every address. Go prints the real one, which differs from run to run; templates have no way to
 * learn anything about the process here.
 */
const anyAddress = 0xc000000000n

/** Formats values of all kinds as Go's package fmt does. */
export class Printer {
  readonly #budget: Budget
  readonly #out: ScalarWriter
  /** The operand that a wrong verb is reported with. */
  #operand: GoValue | undefined
  /** While a wrong verb is reported, values print without their methods. */
  #isReporting = false

  constructor(budget: Budget) {
    this.#budget = budget
    this.#out = new ScalarWriter(budget)
  }

  get flags(): FormatFlags {
    return this.#out.flags
  }

  text(): ByteString {
    return this.#out.text()
  }

  write(text: ByteString): void {
    this.#out.write(text)
  }

  clearFlags(): void {
    this.#out.clearFlags()
  }

  /** Formats one operand. */
  operand(value: GoValue | undefined, verb: string): void {
    this.#operand = value?.kind === 'nil-interface' ? undefined : value
    if (value === undefined || value.kind === 'nil-interface') {
      if (verb === 'T' || verb === 'v') this.#out.pad(nilText)
      else this.#wrongVerb(verb)
      return
    }
    if (verb === 'T') this.#out.string(value.type.name, 's')
    else if (verb === 'p') {
      if (!this.#isPointerWritten(value, verb)) this.#wrongVerb(verb)
    }
    // Bytes without a type of their own have no methods, and fmt does not ask them.
    else if (value.type === bytesType || !this.#method(value, verb)) this.#bare(value, verb, 0)
  }

  #nested(value: GoValue, verb: string, depth: number, isPublic = true): void {
    this.#budget.spend(1)
    if (value.kind !== 'nil-interface') {
      this.#operand = value
      if (isPublic && this.#method(value, verb)) return
    }
    this.#bare(value, verb, depth, isPublic)
  }

  /** Lets the value print itself where its type can; false where it can't. */
  #method(value: GoValue, verb: string): boolean {
    if (this.#isReporting) return false
    if (verb === 'w') {
      this.#wrongVerb(verb)
      return true
    }
    if (value.type.kind === 'pointer' && value.type.format !== undefined) {
      const text = value.type.format(value, verb, this.flags)
      if (text !== undefined) this.write(text)
      return text !== undefined
    }
    const name = this.flags.sharpV ? 'GoString' : 'vsxXq'.includes(verb) ? 'String' : undefined
    const text = name === undefined ? undefined : value.type.methods.get(name)?.call?.(value, [])
    if (text?.kind !== 'string') return false
    this.#out.string(text.value, this.flags.sharpV ? 's' : verb)
    return true
  }

  #bare(value: GoValue, verb: string, depth: number, isPublic = true): void {
    if (!this.#isWritten(value, verb, depth, isPublic)) this.#wrongVerb(verb)
  }

  /** Writes a value without its methods; false where the verb is not for its kind. */
  #isWritten(value: GoValue, verb: string, depth: number, isPublic: boolean): boolean {
    switch (value.kind) {
      case 'bool':
        return this.#out.bool(value.value, verb)
      case 'int':
      case 'uint':
        return this.#out.integer(value, verb)
      case 'float':
        return this.#out.float(value.value, verb)
      case 'complex':
        return this.#out.complex(value, verb)
      case 'string':
        return this.#out.string(value.value, verb)
      case 'bytes':
        this.#bytes(value, verb, depth, isPublic)
        return true
      case 'slice':
        this.#slice(value, verb, depth, isPublic)
        return true
      case 'map':
        this.#map(value, verb, depth)
        return true
      case 'struct':
        this.#struct(value, verb, depth, isPublic)
        return true
      case 'pointer':
        return this.#pointerOrTarget(value, verb, depth)
      case 'nil-interface':
        this.write(this.flags.sharpV ? `${value.type.name}(nil)` : nilText)
        return true
    }
  }

  /** `%!verb(type=value)`. */
  #wrongVerb(verb: string): void {
    this.#isReporting = true
    this.write(`%!${verb}(`)
    const operand = this.#operand
    if (operand === undefined) this.write(nilText)
    else {
      this.write(`${operand.type.name}=`)
      this.operand(operand, 'v')
    }
    this.write(')')
    this.#isReporting = false
  }

  #bytes(value: BytesValue, verb: string, depth: number, isPublic: boolean): void {
    const isPlain = value.type === bytesType && depth === 0
    if (verb === 's' || verb === 'q' || verb === 'x' || verb === 'X')
      this.#out.string(bytesFrom(dataOf(value)), verb)
    else if (isPlain && verb === 'v' && this.flags.sharpV) this.#slice(value, verb, depth, isPublic, '[]byte')
    else this.#slice(value, isPlain && verb === 'v' ? 'd' : verb, depth, isPublic)
  }

  #slice(
    value: BytesValue | SliceValue,
    verb: string,
    depth: number,
    isPublic: boolean,
    name = value.type.name,
  ): void {
    const { sharpV } = this.flags
    if (sharpV) this.write(name)
    if (sharpV && isNilSlice(value)) {
      this.write('(nil)')
      return
    }
    this.write(sharpV ? '{' : '[')
    for (let index = 0; index < value.length; index++) {
      if (index > 0) this.write(sharpV ? ', ' : ' ')
      const element = elementAt(value, index)
      if (element !== undefined) this.#nested(element, verb, depth + 1, isPublic)
    }
    this.write(sharpV ? '}' : ']')
  }

  #map(value: MapValue, verb: string, depth: number): void {
    const { sharpV } = this.flags
    this.write(sharpV ? `${value.type.name}{` : 'map[')
    value.keys().forEach((key, index) => {
      if (index > 0) this.write(sharpV ? ', ' : ' ')
      this.#nested(stringValue(key), verb, depth + 1)
      this.write(':')
      const element = value.get(key)
      if (element !== undefined) this.#nested(element, verb, depth + 1)
    })
    this.write(sharpV ? '}' : ']')
  }

  #struct(value: StructValue, verb: string, depth: number, isPublic: boolean): void {
    const { sharpV, plusV } = this.flags
    this.write(sharpV ? `${value.type.name}{` : '{')
    value.type.fields.forEach((field, index) => {
      if (index > 0) this.write(sharpV ? ', ' : ' ')
      if (sharpV || plusV) this.write(`${field.name}:`)
      this.#nested(value.field(index), verb, depth + 1, isPublic && isExported(field.name))
    })
    this.write('}')
  }

  #pointerOrTarget(value: PointerValue, verb: string, depth: number): boolean {
    const { target } = value
    const isShown =
      depth === 0 && (target?.kind === 'struct' || target?.kind === 'slice' || target?.kind === 'map')
    if (!isShown) return this.#isPointerWritten(value, verb)
    this.write('&')
    this.#nested(target, verb, depth + 1)
    return true
  }

  /** Writes an address; false where the value has none or the verb is not for it. */
  #isPointerWritten(value: GoValue, verb: string): boolean {
    const { kind } = value
    if (kind !== 'pointer' && kind !== 'bytes' && kind !== 'slice' && kind !== 'map') return false
    const isNil = kind === 'pointer' ? value.target === undefined : kind !== 'map' && isNilSlice(value)
    const address = isNil ? 0n : anyAddress
    if (verb === 'v' && this.flags.sharpV) {
      this.write(`(${value.type.name})(`)
      if (isNil) this.write('nil')
      else this.#out.hexNumber(address, true)
      this.write(')')
    } else if (verb === 'v' && isNil) this.#out.pad(nilText)
    else if (verb === 'v' || verb === 'p') this.#out.hexNumber(address, !this.flags.sharp)
    else return verb !== 'O' && this.#out.number(address, verb)
    return true
  }
}
