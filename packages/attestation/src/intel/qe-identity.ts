import { malformed } from '../core/errors.ts'
import type { JsonObject } from './json-object.ts'
import { isvLevels, validity } from './tcb-info.ts'
import type { IsvTcbLevel } from './tcb-info.ts'

// Intel PCS API, "Get Quoting Enclave Identity" (version 2 of the document, in v3 and v4 of the API).

/** What Intel's quoting enclave for one kind of TEE must be. */
export interface QeIdentity {
  /** `QE` makes SGX quotes, `TD_QE` TDX quotes. */
  readonly id: 'QE' | 'TD_QE'
  readonly issueDate: Date
  readonly nextUpdate: Date
  readonly tcbEvaluationDataNumber: number
  /** 4 bytes, in the order of the report's field, as PCS writes them. */
  readonly miscSelect: Uint8Array
  readonly miscSelectMask: Uint8Array
  /** 16 bytes. */
  readonly attributes: Uint8Array
  readonly attributesMask: Uint8Array
  /** 32 bytes. */
  readonly mrSigner: Uint8Array
  readonly isvProdId: number
  /** Best first; the first one that the QE's ISVSVN reaches counts. */
  readonly levels: readonly IsvTcbLevel[]
}

/** @throws EvidenceInvalid (wrap in `decoding`) */
export function parseQeIdentity(identity: JsonObject): QeIdentity {
  const version = identity.integer('version', 2)
  if (version !== 2) throw malformed('the QE identity has an unsupported version', '2', String(version))
  return {
    id: identity.oneOf('id', ['QE', 'TD_QE']),
    ...validity(identity),
    tcbEvaluationDataNumber: identity.integer('tcbEvaluationDataNumber', 0xffff_ffff),
    miscSelect: identity.hex('miscselect', 4),
    miscSelectMask: identity.hex('miscselectMask', 4),
    attributes: identity.hex('attributes', 16),
    attributesMask: identity.hex('attributesMask', 16),
    mrSigner: identity.hex('mrsigner', 32),
    isvProdId: identity.integer('isvprodid', 0xffff),
    levels: isvLevels(identity),
  }
}
