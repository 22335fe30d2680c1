import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import {
  Certificate,
  type AlgorithmIdentifier,
  type AttributeValue,
  type Name,
  type Time,
} from '@peculiar/asn1-x509'

/**
 * The fields of a certificate in the shape of the recordings (golden/certificates/README.md), without what only
 * repeats others in words (`name`, `names`, `purposes`, `curve`). Read by a library that the product does not use.
 */
export function certificateFields(der: Uint8Array): Record<string, unknown> {
  const { tbsCertificate } = AsnConvert.parse(der, Certificate)
  const serial = new Uint8Array(tbsCertificate.serialNumber)
  return {
    version: tbsCertificate.version + 1,
    serial: {
      positive: (serial[0] ?? 0) < 0x80 && serial.some((octet) => octet !== 0),
      octets: serial.length,
    },
    signatureAlgorithm: algorithm(tbsCertificate.signature),
    issuer: name(tbsCertificate.issuer),
    subject: name(tbsCertificate.subject),
    validity: {
      notBefore: time(tbsCertificate.validity.notBefore),
      notAfter: time(tbsCertificate.validity.notAfter),
      seconds:
        (tbsCertificate.validity.notAfter.getTime().getTime() -
          tbsCertificate.validity.notBefore.getTime().getTime()) /
        1000,
    },
    publicKey: publicKey(new X509Certificate(der).publicKey, tbsCertificate.subjectPublicKeyInfo.algorithm),
    // The library's list is a class of its own.
    extensions: Array.from(tbsCertificate.extensions ?? [], ({ extnID, critical, extnValue }) => ({
      oid: extnID,
      critical,
      value: Buffer.from(extnValue.buffer).toString('hex'),
    })),
  }
}

/** First 20 octets of SHA-256 over the bits of the certificate's public key, in hex. */
export function keyHash(der: Uint8Array): string {
  const { subjectPublicKeyInfo } = AsnConvert.parse(der, Certificate).tbsCertificate
  return createHash('sha256')
    .update(new Uint8Array(subjectPublicKeyInfo.subjectPublicKey))
    .digest('hex')
    .slice(0, 40)
}

export function algorithm({ algorithm: oid, parameters }: AlgorithmIdentifier): Record<string, unknown> {
  if (parameters === undefined) return { oid, parameters: 'absent' }
  const octets = new Uint8Array(parameters ?? [5, 0])
  return { oid, parameters: octets[0] === 5 ? 'NULL' : dotted(octets.subarray(2)) }
}

/** Dotted text of the content octets of an object identifier with small first arcs. */
function dotted(octets: Uint8Array): string {
  const [first = 0, ...rest] = octets
  const arcs = [Math.floor(first / 40), first % 40]
  let value = 0
  for (const octet of rest) {
    value = value * 128 + (octet & 0x7f)
    if (octet < 0x80) {
      arcs.push(value)
      value = 0
    }
  }
  return arcs.join('.')
}

function publicKey(key: KeyObject, algorithmIdentifier: AlgorithmIdentifier): Record<string, unknown> {
  const fields = algorithm(algorithmIdentifier)
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    return { ...fields, modulusBits: modulusLength, exponent: Number(publicExponent) }
  }
  if (key.asymmetricKeyType !== 'ec') return fields
  const spki = key.export({ type: 'spki', format: 'der' })
  const pointLength = {
    '1.3.132.0.33': 57,
    '1.2.840.10045.3.1.7': 65,
    '1.3.132.0.34': 97,
    '1.3.132.0.35': 133,
  }
  const length = Object.entries(pointLength).find(([oid]) => oid === fields['parameters'])?.[1] ?? 0
  return { ...fields, point: spki.at(-length) === 4 ? 'uncompressed' : 'other' }
}

const stringTypes = {
  printableString: 'PrintableString',
  utf8String: 'UTF8String',
  ia5String: 'IA5String',
  teletexString: 'T61String',
  bmpString: 'BMPString',
} as const

function name(parsed: Name): unknown {
  return Array.from(parsed, (rdn) =>
    Array.from(rdn, ({ type, value }) => ({ oid: type, ...attributeValue(value) })),
  )
}

function attributeValue(value: AttributeValue): { string: string; value: string } {
  for (const key of ['printableString', 'utf8String', 'ia5String', 'teletexString', 'bmpString'] as const) {
    const text = value[key]
    if (text !== undefined) return { string: stringTypes[key], value: text }
  }
  return { string: 'other', value: '' }
}

function time(parsed: Time): { type: string; value: string } {
  const iso = parsed
    .getTime()
    .toISOString()
    .replace(/[-:T]|\.000/g, '')
  return parsed.utcTime === undefined
    ? { type: 'GeneralizedTime', value: iso }
    : { type: 'UTCTime', value: iso.slice(2) }
}

/** What the recordings tell of a private key: members of PKCS #8, and its algorithm. */
export function privateKeyFields(pkcs8: Uint8Array): Record<string, unknown> {
  const [outer = new Uint8Array()] = elements(pkcs8)
  const members = elements(outer)
  const [version, algorithmIdentifier = new Uint8Array()] = members
  const [oid = new Uint8Array(), parameters] = elements(algorithmIdentifier)
  const shown = parameters === undefined ? 'absent' : parameters.length === 0 ? 'NULL' : dotted(parameters)
  return {
    format: 'PKCS #8',
    version: version?.at(-1),
    algorithm: { oid: dotted(oid), parameters: shown },
    members: members.length,
  }
}

/** Contents of the DER elements that stand one after the other. */
function elements(der: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let offset = 0; offset < der.length;) {
    const short = der[offset + 1] ?? 0
    const lengthOctets = short < 0x80 ? 0 : short & 0x7f
    const start = offset + 2 + lengthOctets
    const length = lengthOctets === 0 ? short : Buffer.from(der).readUIntBE(offset + 2, lengthOctets)
    found.push(der.subarray(start, start + length))
    offset = start + length
  }
  return found
}
