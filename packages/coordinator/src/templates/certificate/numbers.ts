import { Fault } from '../error.ts'
import {
  boolType,
  boolValue,
  bytesValue,
  int64Type,
  intType,
  intValue,
  noMethods,
  pointerValue,
  sliceOf,
  sliceValue,
  stringValue,
  structValue,
  uint64Type,
  uintValue,
  type FormatFlags,
  type GoMethod,
  type GoValue,
  type PointerType,
  type PointerValue,
  type ScalarType,
  type StructType,
  type StructValue,
} from '../values.ts'
import { getter, uncallable, unary } from './methods.ts'

// Go's *big.Int: serial numbers and RSA moduli.

const wordType: ScalarType = { kind: 'uint', name: 'big.Word', methods: noMethods }
const natType = sliceOf(wordType, 'big.nat')

// How Go keeps such a number: the sign, and words of 64 bits from the lowest on. They print under odd verbs.
const structType: StructType = {
  kind: 'struct',
  name: 'big.Int',
  methods: noMethods,
  fields: [
    { name: 'neg', type: boolType },
    { name: 'abs', type: natType },
  ],
}

const methods = new Map<string, GoMethod>()

export const bigIntType: PointerType = {
  kind: 'pointer',
  name: '*big.Int',
  element: structType,
  methods,
  format: (value, verb, flags) => formatBigInt(numberOf(value), verb, flags),
}

const numbers = new WeakMap<StructValue, bigint>()

export function bigIntValue(number: bigint): PointerValue {
  const words: GoValue[] = []
  for (let rest = magnitude(number); rest > 0n; rest >>= 64n)
    words.push(uintValue(BigInt.asUintN(64, rest), wordType))
  const abs = sliceValue(words.length === 0 ? undefined : words, natType)
  const target = structValue(structType, [boolValue(number < 0n), abs])
  numbers.set(target, number)
  return pointerValue(bigIntType, target)
}

/** The number behind a *big.Int; undefined for nil. */
function numberOf(value: GoValue): bigint | undefined {
  if (value.kind !== 'pointer' || value.target?.kind !== 'struct') return undefined
  return numbers.get(value.target)
}

function needNumber(value: GoValue): bigint {
  const number = numberOf(value)
  if (number === undefined) throw new Fault('the number is nil')
  return number
}

const magnitude = (number: bigint): bigint => (number < 0n ? -number : number)
const compare = (left: bigint, right: bigint): GoValue =>
  intValue(left < right ? -1n : left > right ? 1n : 0n)
const bitLength = (number: bigint): bigint =>
  number === 0n ? 0n : BigInt(magnitude(number).toString(2).length)

function text(number: bigint | undefined, base: number): string {
  if (number === undefined) return '<nil>'
  if (base >= 2 && base <= 36) return number.toString(base)
  throw new Fault('the base must be from 2 to 36')
}

function bytes(number: bigint): Uint8Array {
  const digits = number === 0n ? '' : magnitude(number).toString(16)
  return Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
}

methods.set(
  'String',
  getter((value) => stringValue(text(numberOf(value), 10))),
)
methods.set(
  'Text',
  unary(intType, (value, base) => stringValue(text(numberOf(value), Number(toInteger(base))))),
)
methods.set(
  'Sign',
  getter((value) => compare(needNumber(value), 0n)),
)
methods.set(
  'BitLen',
  getter((value) => intValue(bitLength(needNumber(value)))),
)
methods.set(
  'Bytes',
  getter((value) => bytesValue(bytes(needNumber(value)))),
)
methods.set(
  'Int64',
  getter((value) => intValue(BigInt.asIntN(64, needNumber(value)), int64Type)),
)
methods.set(
  'Uint64',
  getter((value) => uintValue(BigInt.asUintN(64, needNumber(value)), uint64Type)),
)
methods.set(
  'IsInt64',
  getter((value) => boolValue(BigInt.asIntN(64, needNumber(value)) === needNumber(value))),
)
methods.set(
  'IsUint64',
  getter((value) => boolValue(BigInt.asUintN(64, needNumber(value)) === needNumber(value))),
)
methods.set('Float64', uncallable)
methods.set(
  'Cmp',
  unary(bigIntType, (left, right) => compare(needNumber(left), needNumber(right))),
)
methods.set(
  'CmpAbs',
  unary(bigIntType, (left, right) => compare(magnitude(needNumber(left)), magnitude(needNumber(right)))),
)
methods.set(
  'Bit',
  unary(intType, (value, index) => {
    if (toInteger(index) < 0n) throw new Fault('the bit must not be negative')
    // Beyond the length every bit is the sign; the bound keeps the shift small.
    const at =
      toInteger(index) > bitLength(needNumber(value)) ? bitLength(needNumber(value)) : toInteger(index)
    return uintValue((needNumber(value) >> at) & 1n)
  }),
)
methods.set(
  'TrailingZeroBits',
  getter((value) => {
    const binary = needNumber(value).toString(2)
    return uintValue(needNumber(value) === 0n ? 0n : BigInt(binary.length - 1 - binary.lastIndexOf('1')))
  }),
)
methods.set(
  'MarshalText',
  getter((value) => bytesValue(Buffer.from(text(numberOf(value), 10)))),
)
methods.set(
  'MarshalJSON',
  getter((value) =>
    bytesValue(Buffer.from(numberOf(value) === undefined ? 'null' : text(numberOf(value), 10))),
  ),
)

const toInteger = (value: GoValue): bigint => (value.kind === 'int' ? value.value : 0n)

const bases: ReadonlyMap<string, number> = new Map([
  ['b', 2],
  ['o', 8],
  ['O', 8],
  ['d', 10],
  ['s', 10],
  ['v', 10],
  ['x', 16],
  ['X', 16],
])

const sharpPrefixes: ReadonlyMap<string, string> = new Map([
  ['b', '0b'],
  ['o', '0'],
  ['x', '0x'],
  ['X', '0X'],
])

/** What `(*big.Int).Format` writes for a verb. */
function formatBigInt(number: bigint | undefined, verb: string, flags: FormatFlags): string {
  const base = bases.get(verb)
  if (base === undefined) return `%!${verb}(big.Int=${text(number, 10)})`
  if (number === undefined) return '<nil>'
  const sign = number < 0n ? '-' : flags.plus || flags.plusV ? '+' : flags.space ? ' ' : ''
  const isSharp = flags.sharp || flags.sharpV
  const prefix = verb === 'O' ? '0o' : isSharp ? (sharpPrefixes.get(verb) ?? '') : ''
  const lower = magnitude(number).toString(base)
  const digits = verb === 'X' ? lower.toUpperCase() : lower
  const { width = 0, precision } = flags
  if (precision === 0 && number === 0n) return ''

  let zeros = Math.max((precision ?? 0) - digits.length, 0)
  const missing = Math.max(width - sign.length - prefix.length - zeros - digits.length, 0)
  if (flags.zero && !flags.minus && precision === undefined) zeros = missing
  const blanks = zeros === missing && flags.zero && !flags.minus && precision === undefined ? 0 : missing
  const whole = sign + prefix + '0'.repeat(zeros) + digits
  return flags.minus ? whole + ' '.repeat(blanks) : ' '.repeat(blanks) + whole
}
