import type { Extension } from '../encoding/x509.ts'
import { boolean, enumerated, integer, octetString, oid, sequence } from '../encoding/der.ts'
import { fromHex } from '../encoding/bytes.ts'
import type { PlatformTcb } from './platform-tcb.ts'

// Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, section 1.3.5.

const SGX_EXTENSION = '1.2.840.113741.1.13.1'

export interface PckFields extends PlatformTcb {
  /** Hex, 16 bytes. */
  readonly ppid: string
  /** Hex, 2 bytes. */
  readonly pceId: string
  /** Hex, 6 bytes. */
  readonly fmspc: string
  /** Which CA issues the certificate; those of the Platform CA say more. */
  readonly ca: 'platform' | 'processor'
  /** Hex, 16 bytes; Platform CA only. */
  readonly platformInstanceId: string
}

/** CPUSVN as the kit's processors have it: the components, byte by byte. */
export const cpuSvnOf = ({ components }: PlatformTcb): Buffer => Buffer.from(components)

export function sgxExtension(pck: PckFields): Extension {
  const field = (suffix: string, value: Uint8Array): Buffer =>
    sequence(oid(`${SGX_EXTENSION}.${suffix}`), value)
  const flag = (suffix: string): Buffer => field(suffix, boolean(true))
  const tcb = sequence(
    ...pck.components.map((svn, index) => field(`2.${index + 1}`, integer(svn))),
    field('2.17', integer(pck.pceSvn)),
    field('2.18', octetString(cpuSvnOf(pck))),
  )
  const ofPlatformCa = [
    field('6', octetString(fromHex(pck.platformInstanceId))),
    // Dynamic platform, cached keys, SMT enabled.
    field('7', sequence(flag('7.1'), flag('7.2'), flag('7.3'))),
  ]
  return {
    oid: SGX_EXTENSION,
    value: sequence(
      field('1', octetString(fromHex(pck.ppid))),
      field('2', tcb),
      field('3', octetString(fromHex(pck.pceId))),
      field('4', octetString(fromHex(pck.fmspc))),
      // 0: standard (Processor CA), 1: scalable (Platform CA).
      field('5', enumerated(pck.ca === 'platform' ? 1 : 0)),
      ...(pck.ca === 'platform' ? ofPlatformCa : []),
    ),
  }
}
