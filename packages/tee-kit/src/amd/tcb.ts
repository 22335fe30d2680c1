/** Processor lines, by the names of AMD's key distribution service. */
export type AmdProduct = 'Milan' | 'Genoa' | 'Turin'

/** Security patch levels, 0 to 255 each; those left out are 0. FMC: Turin only. */
export interface SnpTcb {
  readonly fmc?: number
  readonly bootloader?: number
  readonly tee?: number
  readonly snp?: number
  readonly microcode?: number
}

/** TCB_VERSION (AMD 56860), 8 bytes; what stands at no offset is reserved. */
export function encodeTcb(product: AmdProduct, tcb: SnpTcb): Buffer {
  const { fmc = 0, bootloader = 0, tee = 0, snp = 0, microcode = 0 } = tcb
  return product === 'Turin'
    ? Buffer.of(fmc, bootloader, tee, snp, 0, 0, 0, microcode)
    : Buffer.of(bootloader, tee, 0, 0, 0, 0, snp, microcode)
}

/** CPUID family (combined), model (combined), stepping. */
export const CPUID: Record<AmdProduct, readonly [number, number, number]> = {
  Milan: [0x19, 0x01, 0x01],
  Genoa: [0x19, 0x11, 0x01],
  Turin: [0x1a, 0x02, 0x01],
}

/** Bytes of a chip's id (AMD 57230, hwID). */
export const CHIP_ID_LENGTH: Record<AmdProduct, number> = { Milan: 64, Genoa: 64, Turin: 8 }
