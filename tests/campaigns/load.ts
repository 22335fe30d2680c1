import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { get } from '../support/coordinator.ts'
import { activationOn, type ClientIdentity, connectMesh, grpcCode, textOf } from '../support/mesh-client.ts'
import { moment } from './changes.ts'
import { ClientConnection, Lost } from './client.ts'
import type { Deployment } from './deployment.ts'
import type { People } from './manifests.ts'
import type { Random } from './random.ts'
import { Updater } from './updater.ts'

export interface Ports {
  readonly mesh: number
  readonly client: number
}

/** What a round asks for, and how much of it at the same time. */
export interface Profile {
  readonly name: string
  readonly counters: number
  readonly writers: number
  readonly activators: number
  /** Milliseconds between two updates of the manifest or of packages, at most; undefined: none. */
  readonly updatePause: number | undefined
}

export const profiles: readonly [Profile, ...Profile[]] = [
  { name: 'mixed', counters: 4, writers: 3, activators: 4, updatePause: 60 },
  { name: 'updates', counters: 1, writers: 1, activators: 2, updatePause: 3 },
  { name: 'counters', counters: 48, writers: 0, activators: 1, updatePause: undefined },
  { name: 'secrets', counters: 2, writers: 12, activators: 1, updatePause: undefined },
]

/** Milliseconds after which a Coordinator that answers nothing counts as hanging, on a busy machine. */
const patience = 120_000

/** Many clients at once, each of which goes on until its connection breaks. */
export class Load {
  /** From now on connections may break. */
  isEnding = false
  readonly #deployment: Deployment
  readonly #people: People
  readonly #random: Random
  readonly #ports: Ports
  readonly #report: (problem: string) => void

  constructor(
    deployment: Deployment,
    people: People,
    random: Random,
    ports: Ports,
    report: (problem: string) => void,
  ) {
    this.#deployment = deployment
    this.#people = people
    this.#random = random
    this.#ports = ports
    this.#report = report
  }

  /**
   * Waits until so many more answers came, or so many milliseconds passed; in the latter case it makes sure that the
   * Coordinator still answers at all.
   */
  async until(answers: number, milliseconds: number): Promise<void> {
    const { changes } = this.#deployment
    const enough = changes.ended + answers
    const late = performance.now() + milliseconds
    while (changes.ended < enough && performance.now() < late) await setTimeout(1)
    if (changes.ended >= enough) return
    const answer = get(this.#ports.client, '/api/v2/status').then(({ status }) => status)
    const status = await Promise.race([answer, setTimeout(patience, 'none', { ref: false })])
    answer.catch(() => undefined)
    if (status !== 200) this.#report(`the Coordinator hangs: no status within ${patience} ms (${status})`)
  }

  /** Ends when all connections are broken. */
  async run(profile: Profile): Promise<void> {
    const { admins } = this.#people
    const work: Promise<void>[] = [
      this.#counters(profile.counters),
      this.#with(admins[0], (client) => this.#reader(client)),
    ]
    if (profile.writers > 0) {
      work.push(
        this.#with(admins[0], async (client) => {
          await Promise.all(Array.from({ length: profile.writers }, () => this.#writer(client)))
        }),
      )
    }
    if (profile.activators > 0) work.push(this.#guarded(() => this.#activators(profile.activators)))
    if (profile.updatePause !== undefined)
      work.push(this.#guarded(() => this.#updater(profile.updatePause ?? 0)))
    await Promise.all(work)
  }

  /**
   * Activates, and checks what a marble gets.
   *
   * @returns certificate and key of the marble; undefined when it was refused
   * @throws {@link Lost}
   */
  async activate(
    session: Awaited<ReturnType<typeof connectMesh>>,
    marbleType: string,
    uuid: string,
  ): Promise<ClientIdentity | undefined> {
    const change = this.#deployment.changes.begin(`activate ${marbleType} ${uuid}`)
    const began = moment()
    const { code, parameters } = await activationOn(session, this.#people.marble, { marbleType, uuid }).catch(
      () => {
        throw new Lost('the activation was cut off')
      },
    )
    if (code === undefined) throw new Lost('the activation was cut off')
    this.#deployment.changes.end(change, code === grpcCode.OK ? 'answered' : 'refused')
    if (parameters === undefined) return undefined
    const { Env: env } = parameters
    if (marbleType === 'limited') this.#sawPair(textOf(env, 'PAIR').split(':'), began)
    if (marbleType === 'counting') {
      const [generation, shared, derived] = ['GENERATION', 'SHARED', 'DERIVED'].map((name) =>
        textOf(env, name),
      )
      this.#deployment.sawKeys(generation ?? '', shared ?? '', derived ?? '', uuid)
    }
    return {
      cert: textOf(env, 'MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN'),
      key: textOf(env, 'MARBLE_PREDEFINED_PRIVATE_KEY'),
      csr: new Uint8Array(),
    }
  }

  /** Reads both secrets at once. @throws {@link Lost} */
  async readPair(client: ClientConnection): Promise<string | undefined> {
    const began = moment()
    const { status, data, message } = await client.request('GET', '/api/v2/secrets?s=pairA&s=pairB')
    if (status !== 200) {
      this.#report(`reading secrets was answered ${status}: ${message}`)
      return undefined
    }
    const { secrets } = data as { readonly secrets: Record<string, { readonly Private: string | null }> }
    const values = ['pairA', 'pairB'].map((name) => {
      const value = secrets[name]?.Private ?? null
      return value === null ? '' : Buffer.from(value, 'base64').toString('hex')
    })
    this.#sawPair(values, began)
    return values[0] === '' ? undefined : values[0]
  }

  #sawPair([first, second]: readonly string[], began: number): void {
    if (first !== second) this.#report('secrets that are always written together differ')
    const problem = this.#deployment.pair.read(first === '' ? undefined : first, began)
    if (problem !== undefined) this.#report(`a secret has ${problem}`)
  }

  async #writer(client: ClientConnection): Promise<void> {
    for (;;) {
      const value = randomBytes(32)
      const write = this.#deployment.pair.begin(value.toString('hex'))
      const change = this.#deployment.changes.begin('write admin0 pairA pairB')
      const Key = value.toString('base64')
      const { status } = await client.request('POST', '/api/v2/secrets', {
        secrets: { pairA: { Key }, pairB: { Key } },
      })
      this.#deployment.changes.end(change, status === 200 ? 'answered' : 'refused')
      write.ended = moment()
      write.wasRefused = status !== 200
    }
  }

  async #reader(client: ClientConnection): Promise<void> {
    for (;;) {
      await this.readPair(client)
      await setTimeout(this.#random.below(10))
    }
  }

  async #activators(count: number): Promise<void> {
    const session = await this.#mesh()
    try {
      const one = async (): Promise<void> => {
        for (;;)
          await this.activate(session, this.#random.pick(['limited', 'single', 'counting']), randomUUID())
      }
      await Promise.all(Array.from({ length: count }, one))
    } finally {
      session.destroy()
    }
  }

  /** Counters of one marble, some of them its clients' own, one that all fight for. An update ends the certificate. */
  async #counters(count: number): Promise<void> {
    await this.#guarded(async () => {
      for (;;) {
        const identity = await this.comeBack()
        if (identity === undefined) return
        using client = await ClientConnection.open(this.#ports.client, identity)
        const names = Array.from({ length: count }, (_, index) =>
          index % 4 === 0 ? 'shared' : `own${index % 8}`,
        )
        await Promise.all(names.map((name) => this.#count(client, name)))
      }
    })
  }

  /** The deployment's own marble activates again. @throws {@link Lost} */
  async comeBack(): Promise<ClientIdentity | undefined> {
    const session = await this.#mesh()
    try {
      return await this.activate(session, 'counting', this.#deployment.marble)
    } finally {
      session.destroy()
    }
  }

  /** Ends when the certificate no longer counts. */
  async #count(client: ClientConnection, name: string): Promise<void> {
    const { marble, changes } = this.#deployment
    let value = 0n
    for (;;) {
      value++
      const change = changes.begin(`count counting ${marble} ${name} ${value}`)
      const { status, data } = await client.request('POST', '/api/v2/monotonic-counter', {
        name,
        value: Number(value),
      })
      if (status !== 200) {
        changes.end(change, 'refused')
        return
      }
      const former = BigInt((data as { readonly value: number }).value)
      changes.end(change, former < value ? 'answered' : 'needless')
      if (former < value) this.#deployment.handOut(`${marble} ${name}`, value)
      else value = former
    }
  }

  /** One update after the other: of packages, of the manifest at once, or proposed and then agreed to or cancelled. */
  async #updater(pause: number): Promise<void> {
    using first = await ClientConnection.open(this.#ports.client, this.#people.admins[0])
    using second = await ClientConnection.open(this.#ports.client, this.#people.admins[1])
    const updater = new Updater(this.#deployment, this.#random, first, second)
    for (;;) {
      await updater.step()
      await setTimeout(this.#random.below(pause + 1))
    }
  }

  async #with(identity: ClientIdentity, work: (client: ClientConnection) => Promise<void>): Promise<void> {
    await this.#guarded(async () => {
      using client = await ClientConnection.open(this.#ports.client, identity)
      await work(client)
    })
  }

  #mesh(): ReturnType<typeof connectMesh> {
    return connectMesh(this.#ports.mesh, this.#people.marble).catch(() => {
      throw new Lost('the connection was not made')
    })
  }

  /** Ends quietly when the Coordinator is on its way out, and only then. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof Lost && this.isEnding) return
      this.#report(error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
  }
}
