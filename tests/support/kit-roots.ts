import {
  type AmdRoot,
  parseCertificateChain,
  type VendorRoots,
} from '../../packages/attestation/src/index.ts'
import type { KitDescription } from '../../packages/tee-kit/src/index.ts'

/** Whom to believe in place of the CPU vendors. Intermediates come with evidence, or from the kit's service. */
export function kitRoots({ intelRoot, amdRoots }: KitDescription): VendorRoots {
  const amd = Object.entries(amdRoots).flatMap(([product, pem]): AmdRoot[] => {
    const [ark] = parseCertificateChain(pem)
    if (ark === undefined || !isProduct(product)) throw new Error(`the kit has no root for ${product}`)
    return [{ product, ark, intermediates: [] }]
  })
  return { intel: parseCertificateChain(intelRoot), amd }
}

const isProduct = (name: string): name is AmdRoot['product'] => ['Milan', 'Genoa', 'Turin'].includes(name)
