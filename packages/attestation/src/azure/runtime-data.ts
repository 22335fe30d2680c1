import { fromBase64, fromUtf8 } from '../core/encoding.ts'
import { decoding, malformed } from '../core/errors.ts'
import { parseJson, rawMembers } from '../core/json.ts'
import { rsaSpki } from '../core/spki.ts'

/** Name of the vTPM's attestation key among the keys. */
const ATTESTATION_KEY_ID = 'HCLAkPub'

/** What the paravisor binds to the hardware report. */
export interface RuntimeData {
  /** SubjectPublicKeyInfo of the vTPM's attestation key (AK), DER. */
  readonly attestationKey: Uint8Array
  /** For example `HCLAkPub` and `HCLEkPub`. */
  readonly keyIds: readonly string[]
  /** 64 bytes that the guest gave, hex as it stands; undefined when it is not there. */
  readonly userData: string | undefined
  /** For example `secure-boot`, `tpm-enabled`, `vmUniqueId`. Members that are objects or lists are left out. */
  readonly vmConfiguration: Readonly<Record<string, string | number | boolean>>
}

/**
 * Reads runtime data. Only for bytes whose hash is in a verified hardware report.
 *
 * @param bytes JSON; each member's name once
 * @throws EvidenceInvalid `runtime-data`
 */
export function parseRuntimeData(bytes: Uint8Array): RuntimeData {
  return decoding('runtime-data', 'the runtime data of the HCL report', () => {
    const members = rawMembers(fromUtf8(bytes))
    const keys = readKeys(members.get('keys'))
    const attestationKeys = keys.filter((key) => key.id === ATTESTATION_KEY_ID)
    const [attestationKey, ...others] = attestationKeys
    if (!attestationKey || others.length > 0) {
      throw malformed(
        'it has no attestation key',
        `one key '${ATTESTATION_KEY_ID}'`,
        `${attestationKeys.length}`,
      )
    }
    return {
      attestationKey: jwkSpki(attestationKey.jwk),
      keyIds: keys.map(({ id }) => id),
      userData: readUserData(members.get('user-data')),
      vmConfiguration: readConfiguration(members.get('vm-configuration')),
    }
  })
}

interface NamedKey {
  readonly id: string
  readonly jwk: Readonly<Record<string, unknown>>
}

function readKeys(text: string | undefined): NamedKey[] {
  const keys = parseJson(text ?? 'null')
  if (!Array.isArray(keys)) throw malformed("'keys' is malformed", 'a list of JSON Web Keys', typeof keys)
  return keys.map((key: unknown) => {
    const jwk = record(key, "an item of 'keys'")
    const id = jwk['kid']
    if (typeof id !== 'string') throw malformed("an item of 'keys' has no name", "a 'kid'", typeof id)
    return { id, jwk }
  })
}

/** An RSA key of RFC 7517 and RFC 7518, 6.3.1. */
function jwkSpki({ kty, n, e }: Readonly<Record<string, unknown>>): Uint8Array {
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') {
    throw malformed('the attestation key is malformed', "an RSA key with 'n' and 'e'", `kty ${String(kty)}`)
  }
  return rsaSpki(fromBase64(n), fromBase64(e))
}

function readUserData(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const value = parseJson(text)
  if (typeof value !== 'string') throw malformed("'user-data' is malformed", 'a text', typeof value)
  return value
}

function readConfiguration(text: string | undefined): RuntimeData['vmConfiguration'] {
  if (text === undefined) return {}
  const members = Object.entries(record(parseJson(text), "'vm-configuration'"))
  return Object.fromEntries(
    members.flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        ? [[name, value]]
        : [],
    ),
  )
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what} is malformed`, 'an object', value === null ? 'null' : typeof value)
  }
  return Object.fromEntries(Object.entries(value))
}
