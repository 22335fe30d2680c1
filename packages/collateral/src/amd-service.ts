import { decodeTcb } from '@taw/attestation'
import type { DocumentId } from './documents.ts'
import type { ConnectionOptions } from './http.ts'
import { serviceBase } from './intel-service.ts'

/** AMD's key distribution service. */
const KDS_URL = 'https://kdsintf.amd.com'

export interface AmdServiceOptions extends ConnectionOptions {
  /** Of AMD's service, or of a cache that answers like it; default AMD's. */
  readonly url?: string | undefined
}

type AmdDocument = Extract<DocumentId, { kind: `amd-${string}` }>

/** Knows where AMD's documents are (AMD 57230, chapter 4). */
export class AmdService {
  readonly #base: string

  /** @throws TypeError when the URL is malformed */
  constructor({ url = KDS_URL }: AmdServiceOptions) {
    this.#base = serviceBase(url, "AMD's key distribution service")
  }

  urlOf(id: AmdDocument): URL {
    switch (id.kind) {
      case 'amd-vcek':
        return this.#vcek(id)
      case 'amd-crl':
        return new URL(`${this.#base}/vcek/v1/${id.product}/crl`)
      case 'amd-cert-chain':
        return new URL(`${this.#base}/${id.type}/v1/${id.product}/cert_chain`)
    }
  }

  /** Patch levels in decimal, two digits at least, as in AMD's examples. Turin has one more (`fmcSPL`). */
  #vcek({ product, hwid, tcb }: AmdDocument & { kind: 'amd-vcek' }): URL {
    const levels = decodeTcb(Uint8Array.from(Buffer.from(tcb, 'hex')), product)
    const text = (level: number): string => String(level).padStart(2, '0')
    const url = new URL(`${this.#base}/vcek/v1/${product}/${hwid}`)
    url.search = new URLSearchParams({
      ...(levels.fmc === undefined ? {} : { fmcSPL: text(levels.fmc) }),
      blSPL: text(levels.bootloader),
      teeSPL: text(levels.tee),
      snpSPL: text(levels.snp),
      ucodeSPL: text(levels.microcode),
    }).toString()
    return url
  }
}
