import { toHex } from '../core/encoding.ts'
import { malformed } from '../core/errors.ts'

/** Processor lines with SEV-SNP, by the names of AMD's key distribution service. Genoa stands for Bergamo and Siena too. */
export const AMD_PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const
export type AmdProduct = (typeof AMD_PRODUCTS)[number]

/** TCB_VERSION (AMD 56860): security patch levels of what the platform's trust rests on; each 0 to 255. */
export interface TcbVersion {
  /** The eight bytes as they stand in the report, lower-case hex. */
  readonly raw: string
  /** Only Turin and later have one. */
  readonly fmc?: number
  readonly bootloader: number
  readonly tee: number
  readonly snp: number
  readonly microcode: number
}

export type TcbComponent = 'fmc' | 'bootloader' | 'tee' | 'snp' | 'microcode'

/** Offsets in the eight bytes (AMD 56860, TCB_VERSION); bytes without a name are reserved. */
export const TCB_LAYOUT: Record<AmdProduct, Readonly<Partial<Record<TcbComponent, number>>>> = {
  Milan: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Genoa: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Turin: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
}

export const TCB_LENGTH = 8

export function decodeTcb(bytes: Uint8Array, product: AmdProduct): TcbVersion {
  if (bytes.length !== TCB_LENGTH) {
    throw malformed('a TCB version has another length', `${TCB_LENGTH} bytes`, `${bytes.length} bytes`)
  }
  const layout = TCB_LAYOUT[product]
  const at = (component: TcbComponent): number => {
    const offset = layout[component]
    return offset === undefined ? 0 : (bytes[offset] ?? 0)
  }
  return {
    raw: toHex(bytes),
    ...(layout.fmc === undefined ? {} : { fmc: at('fmc') }),
    bootloader: at('bootloader'),
    tee: at('tee'),
    snp: at('snp'),
    microcode: at('microcode'),
  }
}

/** For messages, for example `bootloader 4, tee 0, snp 24, microcode 219`. */
export function tcbText(tcb: Omit<TcbVersion, 'raw'>): string {
  const fmc = tcb.fmc === undefined ? '' : `fmc ${tcb.fmc}, `
  return `${fmc}bootloader ${tcb.bootloader}, tee ${tcb.tee}, snp ${tcb.snp}, microcode ${tcb.microcode}`
}

/**
 * CPUID family and model, combined from base and extended ones (AMD's revision guides). Undefined for processors that this
 * library doesn't know.
 */
export function productOfCpuid(cpuid: {
  readonly family: number
  readonly model: number
}): AmdProduct | undefined {
  const { family, model } = cpuid
  if (family === 0x19) {
    if (model <= 0x0f) return 'Milan'
    // 0x10 to 0x1f: Genoa; 0xa0 to 0xaf: Bergamo and Siena, which have Genoa's keys.
    if ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)) return 'Genoa'
  }
  // 0x00 to 0x0f: Turin; 0x10 to 0x1f: Turin with dense cores.
  if (family === 0x1a && model <= 0x1f) return 'Turin'
  return undefined
}
