/**
 * Floating-point numbers in Go's formats (strconv.FormatFloat), exact to the last digit.
 *
 * JavaScript rounds halves up in toFixed and toExponential, Go rounds the exact value half to even; so only the
 * shortest form comes from JavaScript.
 */
export type FloatFormat = 'b' | 'e' | 'E' | 'f' | 'g' | 'G' | 'x' | 'X'

/** Decimal digits without leading or trailing zeros, with the point after the first `point` of them. */
interface Decimal {
  readonly digits: string
  readonly point: number
}

/** The shortest precision that still gives the same number back. */
export const shortest = -1

/** A finite number with a leading `-` where it is negative, `-0` included. */
export function formatFloat(value: number, format: FloatFormat, precision: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const magnitude = Math.abs(value)
  switch (format) {
    case 'b':
      return sign + formatBinary(magnitude)
    case 'x':
      return sign + formatHex(magnitude, precision)
    case 'X':
      return sign + formatHex(magnitude, precision).toUpperCase()
    case 'e':
      return sign + formatExponent(magnitude, precision)
    case 'E':
      return sign + formatExponent(magnitude, precision).toUpperCase()
    case 'f':
      return sign + formatFixed(magnitude, precision)
    case 'g':
      return sign + formatGeneral(magnitude, precision)
    case 'G':
      return sign + formatGeneral(magnitude, precision).toUpperCase()
  }
}

function formatExponent(value: number, precision: number): string {
  const decimal =
    precision === shortest ? shortestDecimal(value) : rounded(exactDecimal(value), precision + 1)
  return exponential(decimal, precision === shortest ? Math.max(decimal.digits.length - 1, 0) : precision)
}

function formatFixed(value: number, precision: number): string {
  if (precision === shortest) {
    const decimal = shortestDecimal(value)
    return fixed(decimal, Math.max(decimal.digits.length - decimal.point, 0))
  }
  const exact = exactDecimal(value)
  return fixed(rounded(exact, exact.point + precision), precision)
}

function formatGeneral(value: number, precision: number): string {
  const significant = precision === 0 ? 1 : precision
  const decimal = precision === shortest ? shortestDecimal(value) : rounded(exactDecimal(value), significant)
  const count = decimal.digits.length
  const exponent = decimal.point - 1
  // The exponent form begins at the precision; the shortest one decides as if it were 6 (strconv.FormatFloat, 'g').
  const limit =
    precision === shortest ? 6 : significant > count && count >= decimal.point ? count : significant
  if (exponent < -4 || exponent >= limit) return exponential(decimal, Math.max(count - 1, 0))
  return fixed(decimal, Math.max(count - decimal.point, 0))
}

function exponential({ digits, point }: Decimal, precision: number): string {
  const first = digits[0] ?? '0'
  const rest = precision > 0 ? `.${digits.slice(1).padEnd(precision, '0')}` : ''
  return `${first}${rest}e${signedExponent(digits === '' ? 0 : point - 1)}`
}

function fixed({ digits, point }: Decimal, precision: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (precision === 0) return whole
  const fraction = point >= 0 ? digits.slice(point) : '0'.repeat(-point) + digits
  return `${whole}.${fraction.slice(0, precision).padEnd(precision, '0')}`
}

/** An exponent with its sign and at least two digits. */
const signedExponent = (exponent: number): string =>
  `${exponent < 0 ? '-' : '+'}${Math.abs(exponent).toString().padStart(2, '0')}`

function shortestDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 0 }
  const [mantissa = '', exponent = ''] = value.toExponential().split('e')
  return { digits: mantissa.replace('.', ''), point: Number(exponent) + 1 }
}

/** All digits of the number that a float stands for: at most 767 significant ones. */
function exactDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 0 }
  const { mantissa, power } = parts(value)
  // m × 2^-k = m × 5^k / 10^k
  const scaled = power >= 0 ? mantissa << BigInt(power) : mantissa * 5n ** BigInt(-power)
  const digits = scaled.toString()
  return { digits: digits.replace(/0+$/, ''), point: digits.length + Math.min(power, 0) }
}

/** The first `count` digits, rounded half to even. */
function rounded({ digits, point }: Decimal, count: number): Decimal {
  if (count < 0) return { digits: '', point: 0 }
  if (count >= digits.length) return { digits, point }
  const kept = digits.slice(0, count)
  const rest = digits.slice(count)
  const isOdd = count > 0 && '13579'.includes(kept[count - 1] ?? '')
  const up = rest === '5' ? isOdd : rest >= '5'
  if (!up) return trimmed(kept, point)
  const raised = (BigInt(kept === '' ? '0' : kept) + 1n).toString().padStart(count, '0')
  return trimmed(raised, point + raised.length - count)
}

function trimmed(digits: string, point: number): Decimal {
  const significant = digits.replace(/0+$/, '')
  return significant === '' ? { digits: '', point: 0 } : { digits: significant, point }
}

const scratch = new DataView(new ArrayBuffer(8))

/** A positive float as mantissa × 2^power (IEEE 754 binary64: 11 bits of exponent, 52 of fraction). */
function parts(value: number): { readonly mantissa: bigint; readonly power: number } {
  scratch.setFloat64(0, value)
  const bits = scratch.getBigUint64(0)
  const exponent = Number(bits >> 52n)
  const fraction = bits & ((1n << 52n) - 1n)
  return exponent === 0
    ? { mantissa: fraction, power: -1074 }
    : { mantissa: fraction | (1n << 52n), power: exponent - 1075 }
}

/** `%b`: the mantissa and the power of two. */
function formatBinary(value: number): string {
  const { mantissa, power } = parts(value)
  return `${mantissa}p${power < 0 ? '-' : '+'}${Math.abs(power)}`
}

/** `%x`: the mantissa as 1.hex and the power of two. */
function formatHex(value: number, precision: number): string {
  if (value === 0) return `0x0${precision > 0 ? `.${'0'.repeat(precision)}` : ''}p+00`
  let { mantissa, power } = parts(value)
  while (mantissa < 1n << 52n) {
    mantissa <<= 1n
    power -= 1
  }
  // 13 hexadecimal digits hold the 52 bits of the fraction.
  const drop = precision === shortest ? 0 : Math.max(52 - 4 * precision, 0)
  const shift = BigInt(drop)
  const rest = mantissa & ((1n << shift) - 1n)
  const half = drop === 0 ? 0n : 1n << (shift - 1n)
  let kept = mantissa >> shift
  if (drop > 0 && (rest > half || (rest === half && (kept & 1n) === 1n))) kept += 1n
  const fractionBits = 52n - shift
  const overflow = kept >> (fractionBits + 1n) !== 0n
  const exponent = power + 52 + (overflow ? 1 : 0)
  const fraction = (kept & ((1n << fractionBits) - 1n)).toString(16).padStart(Number(fractionBits) / 4, '0')
  const digits =
    precision === shortest ? fraction.replace(/0+$/, '') : fraction.slice(0, precision).padEnd(precision, '0')
  return `0x1${digits === '' ? '' : `.${digits}`}p${signedExponent(exponent)}`
}
