import { signShare } from '../support/recovery-parties.ts'
import { ClientConnection, Lost, manifestBody } from './client.ts'
import type { Life } from './coordinator-lives.ts'
import type { Deployment } from './deployment.ts'
import type { People } from './manifests.ts'
import type { Random } from './random.ts'

/** Sets one of several manifests; at most one can win. */
export async function setFirstManifest(
  deployment: Deployment,
  random: Random,
  { ports }: Life,
): Promise<void> {
  const manifest = deployment.nextManifest({
    updateThreshold: random.pick([1, 2]),
    recoveryThreshold: random.pick([0, 2]),
    limit: 1 + random.below(40),
    rotates: false,
  })
  const change = deployment.changes.begin(`set ${manifest.fingerprint}`)
  try {
    using client = await ClientConnection.open(ports.client, undefined)
    const { status, data } = await client.request('POST', '/api/v2/manifest', manifestBody(manifest.raw))
    deployment.changes.end(change, status === 200 ? 'answered' : 'refused')
    if (status !== 200) return
    const { RecoverySecrets } = data as { readonly RecoverySecrets: Record<string, string> }
    deployment.inForce = manifest
    deployment.keepShares(manifest, RecoverySecrets)
  } catch (error) {
    if (error instanceof Lost) return
    throw error
  }
}

/** Uploads as many recovery secrets as are needed. @returns `lost` when the Coordinator ended meanwhile */
export async function recover(
  deployment: Deployment,
  parties: People['parties'],
  random: Random,
  { ports }: Life,
): Promise<'recovered' | 'lost'> {
  const shares = deployment.currentShares()
  const needed = deployment.inForce?.recoveryThreshold === 2 ? 2 : parties.length
  const who = parties
    .map((party) => ({ party, rank: random.next() }))
    .toSorted((a, b) => a.rank - b.rank)
    .slice(0, needed)
    .map(({ party }) => party)
  const key = `recover ${who
    .map(({ name }) => name)
    .toSorted()
    .join(' ')}`
  try {
    using client = await ClientConnection.open(ports.client, undefined)
    for (const [index, party] of who.entries()) {
      const share = shares?.get(party.name) ?? Buffer.alloc(0)
      const body = {
        recoverySecret: share.toString('base64'),
        recoverySecretSignature: signShare(share, party).toString('base64'),
      }
      const isLast = index === needed - 1
      const change = isLast ? deployment.changes.begin(key) : undefined
      const { status, message } = await client.request('POST', '/api/v2/recover', body)
      if (change !== undefined) deployment.changes.end(change, status === 200 ? 'answered' : 'refused')
      if (status !== 200) throw new Error(`a recovery secret was answered ${status}: ${message}`)
    }
    return 'recovered'
  } catch (error) {
    if (error instanceof Lost) return 'lost'
    throw error
  }
}
