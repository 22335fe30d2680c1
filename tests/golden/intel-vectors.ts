import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { IntelCollateralParts } from '../../packages/attestation/src/index.ts'
import { readShared, sharedPath, skipWithoutShared } from '../support/shared.ts'

// The shapes of index.json and mutations.json as far as they are about Intel, and how to apply a mutation.

export interface CollateralFiles {
  readonly tcb_info: string
  readonly qe_identity: string
  readonly pck_crl: string
  readonly root_ca_crl: string
  readonly tcb_info_issuer_chain: string
  readonly qe_identity_issuer_chain: string
  readonly pck_crl_issuer_chain: string
}

export interface Scenario {
  readonly name: string
  readonly validation_time: string
  readonly valid_from: string
  readonly valid_until: string
  readonly collateral?: CollateralFiles
  readonly trust_anchor?: string
  readonly expected: {
    readonly result?: string
    readonly tcb_status?: string
    readonly platform_tcb_status?: string | null
    readonly platform_tcb_date?: string | null
    readonly tdx_module_status?: string | null
    readonly qe_tcb_status?: string | null
    readonly advisory_ids?: readonly string[]
    readonly platform_advisory_ids?: readonly string[]
    readonly tdx_module_advisory_ids?: readonly string[]
    readonly qe_advisory_ids?: readonly string[]
    readonly pck_cert_revoked?: boolean
  }
}

export interface Vector {
  readonly id: string
  readonly kind: string
  readonly file: string
  readonly facts?: Readonly<Record<string, unknown>>
  readonly scenarios?: readonly Scenario[]
  readonly verdict?: { readonly signature_and_chain: string; readonly debug: boolean | null }
  readonly test_pki_collateral?: Readonly<Record<string, string>>
  readonly note?: string
}

interface Operation {
  readonly op: string
  readonly offset?: number
  readonly mask?: string
  readonly hex?: string
  readonly length?: number
  readonly count?: number
  readonly char?: string
  readonly old?: string
  readonly new?: string
  readonly path?: string
  readonly file?: string
}

interface Expectation {
  readonly accept: boolean | 'policy'
  readonly reason: string
}

interface Mutations {
  readonly quotes: readonly {
    readonly base: string
    readonly base_file: string
    readonly base_length: number
    readonly scenario: string
    readonly validation_time: string
    readonly mutations: readonly {
      readonly name: string
      readonly ops: readonly Operation[]
      readonly expected: Expectation
    }[]
  }[]
  readonly time: readonly {
    readonly base: string
    readonly scenario: string
    readonly probes: readonly {
      readonly when: string
      readonly time: string
      readonly expected_in_window: boolean
    }[]
  }[]
  readonly collateral: readonly {
    readonly base: string
    readonly validation_time: string
    readonly collateral: CollateralFiles
    readonly probes: readonly {
      readonly name: string
      readonly recipe: Operation | null
      readonly expected: Expectation
    }[]
  }[]
}

/** Where the libraries differ, `expected.accept` is 'policy'; docs/attestation/intel.md says why we decide like this. */
const POLICY_CHOICES: Readonly<Record<string, boolean>> = {
  'trailing-zeros-64': true,
  'outer-cert-type-5': false,
  'tcb-info-one-space-added': false,
}

/** Facts that say what a verifier found, not what a parser reads: compared with the results of the verification. */
export const NOT_PARSED = ['sig_ok', 'qe_binding_ok', 'qe_sig_ok', 'enclave_held_data_hex']

export const vectorFile = (name: string): Uint8Array => readFileSync(sharedPath(`golden/vectors/${name}`))

export function loadVectors(): readonly Vector[] {
  const index = readShared('golden/vectors/index.json') as { vectors: readonly Vector[] }
  return index.vectors
}

export function partFiles(files: CollateralFiles): IntelCollateralParts {
  return {
    tcbInfo: vectorFile(files.tcb_info),
    tcbInfoIssuerChain: vectorFile(files.tcb_info_issuer_chain),
    qeIdentity: vectorFile(files.qe_identity),
    qeIdentityIssuerChain: vectorFile(files.qe_identity_issuer_chain),
    pckCrl: vectorFile(files.pck_crl),
    pckCrlIssuerChain: vectorFile(files.pck_crl_issuer_chain),
    rootCaCrl: vectorFile(files.root_ca_crl),
  }
}

export const partNames: Readonly<Record<string, keyof IntelCollateralParts>> = {
  tcb_info: 'tcbInfo',
  tcb_info_issuer_chain: 'tcbInfoIssuerChain',
  qe_identity: 'qeIdentity',
  qe_identity_issuer_chain: 'qeIdentityIssuerChain',
  pck_crl: 'pckCrl',
  pck_crl_issuer_chain: 'pckCrlIssuerChain',
  root_ca_crl: 'rootCaCrl',
}

export function apply(bytes: Uint8Array, operation: Operation): Uint8Array {
  const { op, offset = 0, length = 0, count = 0 } = operation
  const changed = Buffer.from(bytes)
  const text = (): string => changed.toString('utf8')
  switch (op) {
    case 'xor':
      for (const [index, mask] of Buffer.from(operation.mask ?? '', 'hex').entries()) {
        changed.writeUInt8(changed.readUInt8(offset + index) ^ mask, offset + index)
      }
      return changed
    case 'set':
      changed.set(Buffer.from(operation.hex ?? '', 'hex'), offset)
      return changed
    case 'set_char':
      changed.write(operation.char ?? '', offset)
      return changed
    case 'truncate':
      return changed.subarray(0, length)
    case 'append_zeros':
      return Buffer.concat([changed, Buffer.alloc(count)])
    case 'replace':
      return Buffer.from(operation.hex ?? '', 'hex')
    case 'replace_text_all':
      return Buffer.from(text().replaceAll(operation.old ?? '', operation.new ?? ''))
    case 'replace_text_first':
      return Buffer.from(text().replace(operation.old ?? '', operation.new ?? ''))
    case 'use_file':
      return vectorFile(operation.path ?? '')
    default:
      return assert.fail(`unknown operation ${op}`)
  }
}

export function isAccepted(expected: Expectation, name: string): boolean {
  if (expected.accept !== 'policy') return expected.accept
  const choice = POLICY_CHOICES[name]
  assert.ok(choice !== undefined, `no decision about '${name}'`)
  return choice
}

export function loadMutations(): Mutations {
  return skipWithoutShared === false
    ? (readShared('golden/vectors/mutations.json') as Mutations)
    : { quotes: [], time: [], collateral: [] }
}
