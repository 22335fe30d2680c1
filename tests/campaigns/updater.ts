import { type ClientConnection, manifestBody } from './client.ts'
import type { Deployment } from './deployment.ts'
import type { CampaignManifest } from './manifests.ts'
import type { Random } from './random.ts'

/** Two users who update. */
export class Updater {
  readonly #deployment: Deployment
  readonly #random: Random
  readonly #clients: readonly [ClientConnection, ClientConnection]
  #pending: CampaignManifest | undefined
  #version: number

  constructor(deployment: Deployment, random: Random, first: ClientConnection, second: ClientConnection) {
    this.#deployment = deployment
    this.#random = random
    this.#clients = [first, second]
    this.#pending = deployment.replay.pending?.manifest
    this.#version = Math.max(deployment.replay.versionOf('pkg'), deployment.replay.versionOf('side'))
  }

  /** @throws {@link Lost} */
  async step(): Promise<void> {
    if (this.#pending !== undefined) {
      if (this.#random.chance(0.7)) await this.#acknowledge(this.#pending)
      else await this.#cancel(this.#pending)
    } else if (this.#random.chance(0.4)) await this.#raise()
    else await this.#propose()
  }

  async #raise(): Promise<void> {
    const version = ++this.#version
    const packages = this.#random.pick([['pkg'], ['side'], ['pkg', 'side']])
    const change = this.#deployment.changes.begin(
      `raise ${packages.map((name) => `${name} ${version}`).join(' ')}`,
    )
    const raw = Buffer.from(
      JSON.stringify({
        Packages: Object.fromEntries(packages.map((name) => [name, { SecurityVersion: version }])),
      }),
    )
    const { status } = await this.#clients[0].request('POST', '/api/v2/update', manifestBody(raw))
    this.#deployment.changes.end(change, status === 200 ? 'answered' : 'refused')
  }

  async #propose(): Promise<void> {
    const { inForce } = this.#deployment
    const manifest = this.#deployment.nextManifest({
      updateThreshold: this.#random.pick([1, 2]),
      recoveryThreshold: this.#random.pick([0, 2]),
      limit: (inForce?.limit ?? 0) + this.#random.below(20),
      rotates: this.#random.chance(0.5),
    })
    const change = this.#deployment.changes.begin(`propose admin0 ${manifest.fingerprint}`)
    const answer = await this.#clients[0].request('POST', '/api/v2/update', manifestBody(manifest.raw))
    this.#deployment.changes.end(change, answer.status === 200 ? 'answered' : 'refused')
    if (answer.status === 200) this.#proceeded(manifest, answer.data)
  }

  async #acknowledge(manifest: CampaignManifest): Promise<void> {
    // A pending update needs two users; the record of the first is already there.
    const change = this.#deployment.changes.begin(`acknowledge admin1 ${manifest.fingerprint}`)
    const answer = await this.#clients[1].request(
      'POST',
      '/api/v2/update-manifest',
      manifestBody(manifest.raw),
    )
    this.#deployment.changes.end(change, answer.status === 200 ? 'answered' : 'refused')
    if (answer.status === 200) this.#proceeded(manifest, answer.data)
  }

  async #cancel({ fingerprint }: CampaignManifest): Promise<void> {
    const change = this.#deployment.changes.begin(`cancel admin1 ${fingerprint}`)
    const { status } = await this.#clients[1].request('POST', '/api/v2/update-cancel')
    this.#deployment.changes.end(change, status === 200 ? 'answered' : 'refused')
    if (status === 200) this.#pending = undefined
  }

  #proceeded(manifest: CampaignManifest, data: unknown): void {
    const { missingAcknowledgments, recoverySecrets } = data as {
      readonly missingAcknowledgments: number
      readonly recoverySecrets?: Readonly<Record<string, string>>
    }
    this.#pending = missingAcknowledgments > 0 ? manifest : undefined
    if (missingAcknowledgments > 0) return
    this.#deployment.inForce = manifest
    if (recoverySecrets !== undefined) this.#deployment.keepShares(manifest, recoverySecrets)
  }
}
