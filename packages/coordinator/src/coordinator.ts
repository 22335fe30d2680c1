import { type EventEmitter, once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2'
import { readFile } from 'node:fs/promises'
import { Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { Activity } from './activity.ts'
import { type Config, ConfigError } from './config.ts'
import { limits } from './limits.ts'
import { activateMarble } from './operations/activate-marble.ts'
import type { Ports } from './operations/ports.ts'
import { wantedKeyKinds } from './operations/wanted-keys.ts'
import { readStatus } from './operations/status.ts'
import { UpdateLog } from './operations/read-update-log.ts'
import { setManifest } from './operations/set-manifest.ts'
import type { Authority } from './pki/authority.ts'
import { Refusal } from './refusal.ts'
import type { State } from './state/state.ts'
import { listen } from './transports/listen.ts'
import { Metrics } from './transports/metrics/metrics.ts'
import { createMetricsServer } from './transports/metrics/server.ts'
import { createMeshServer, meshResumption } from './transports/mesh/server.ts'
import { clientApiRoutes } from './transports/rest/client-api.ts'
import { createRestServer } from './transports/rest/server.ts'
import { contextOptions, type ServerIdentity } from './transports/tls.ts'
import { commit, version } from './version.ts'

/** A Coordinator whose listeners are open. */
export interface RunningCoordinator {
  /** Ends: takes nothing new, finishes what is under way (at most {@link limits.shutdownMs}), closes the ledger. */
  readonly close: () => Promise<void>
}

/**
 * Opens the listeners, sets the start-up manifest where there is one and nothing was ever set, and only then answers:
 * nobody can get in between with a manifest of their own.
 *
 * @throws {@link ConfigError} when an address or the start-up manifest can't be used; nothing was changed then
 */
export async function startCoordinator(
  config: Config,
  wired: Ports,
  activity: Activity,
): Promise<RunningCoordinator> {
  const metrics = config.metricsAddress === undefined ? undefined : metricsOf(config, wired)
  const ports: Ports = { ...wired, ledger: metrics?.ledger ?? wired.ledger }
  const { ledger, log } = ports
  const ready = Promise.withResolvers<true>()
  // Nobody may wait for it when the start fails.
  ready.promise.catch(() => undefined)

  const mesh = createMeshServer(meshIdentity(ledger.state.authority), {
    activate: (request) => activity.track(ready.promise.then(() => activateMarble(request, ports))),
    log,
    observer: metrics?.mesh,
  })
  const routes = clientApiRoutes(ports, new UpdateLog(ledger))
  const rest = createRestServer(clientIdentity(ledger.state.authority), routes, {
    log,
    run: (work) => activity.track(ready.promise.then(work)),
    awaitClient: (arrival) => activity.awaitClient(arrival),
    observer: metrics?.rest(routes.keys()),
  })
  const listeners = [new Connections(mesh), new Connections(rest)]
  const scraped = metrics && createMetricsServer({ registry: metrics.registry, events: metrics.events, log })
  try {
    const meshPort = await listen(mesh, config.meshAddress, 'EDG_COORDINATOR_MESH_ADDR')
    const clientPort = await listen(rest, config.clientAddress, 'EDG_COORDINATOR_CLIENT_ADDR')
    const metricsPort = await listenForScrapes(scraped, config)
    await useStartupManifest(config.startupManifest, ports)
    log.info({ mesh: meshPort, client: clientPort, metrics: metricsPort }, 'listening')
  } catch (error) {
    for (const listener of listeners) listener.destroy()
    endScrapes(scraped)
    metrics?.close()
    throw error
  }
  prepareFor(ledger.state, ports)
  warnOfNothingKept(ledger.state, ports)
  ledger.onCommit((state, former) => {
    if (state.authority !== former.authority) {
      // New connections get the new certificates; those that are open keep theirs.
      mesh.setSecureContext(contextOptions(meshIdentity(state.authority), meshResumption))
      rest.setSecureContext(contextOptions(clientIdentity(state.authority), 'tickets'))
    }
    if (state.manifest === former.manifest) return
    prepareFor(state, ports)
    warnOfNothingKept(state, ports)
  })
  ready.resolve(true)
  return {
    close: async () => {
      const deadline = Date.now() + limits.shutdownMs
      for (const listener of listeners) listener.stop()
      await activity.finished(limits.shutdownMs)
      await Promise.all(listeners.map((listener) => listener.drain(deadline - Date.now())))
      for (const listener of listeners) listener.destroy()
      endScrapes(scraped)
      metrics?.close()
      ports.keyPool.close()
      await ledger.close()
    },
  }
}

const metricsOf = ({ sealDirectory }: Config, ports: Ports): Metrics =>
  new Metrics({
    ledger: ports.ledger,
    keyPool: ports.keyPool,
    sealDirectory,
    version: { version, commit },
    stateCode: () => readStatus(ports).code,
    now: ports.now,
  })

/** @returns the port; undefined without a listener for metrics */
async function listenForScrapes(
  server: HttpServer | undefined,
  { metricsAddress }: Config,
): Promise<number | undefined> {
  if (server === undefined || metricsAddress === undefined) return undefined
  return await listen(server, metricsAddress, 'EDG_COORDINATOR_PROMETHEUS_ADDR')
}

function endScrapes(server: HttpServer | undefined): void {
  server?.close()
  server?.closeAllConnections()
}

const meshIdentity = (authority: Authority): ServerIdentity => ({
  certificate: authority.marbleRootCertificate,
  privateKey: authority.intermediateKey.reveal(),
})

const clientIdentity = (authority: Authority): ServerIdentity => ({
  certificate: authority.rootCertificate,
  privateKey: authority.rootKey.reveal(),
})

/** Says which keys activations under this manifest will ask for. */
function prepareFor({ manifest }: State, { keyPool, curve }: Ports): void {
  keyPool.want(wantedKeyKinds(manifest, curve))
}

function warnOfNothingKept({ manifest }: State, { log }: Ports): void {
  if (manifest?.manifest.config.sealMode !== 'Disabled') return
  log.warn(
    'Config.SealMode is "Disabled", so nothing is kept: when this Coordinator ends, all of its state is gone',
  )
}

async function useStartupManifest(file: string | undefined, ports: Ports): Promise<void> {
  if (file === undefined) return
  let raw: Uint8Array
  try {
    raw = await readFile(file)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError(`EDG_STARTUP_MANIFEST: can't read "${file}": ${reason}`)
  }
  const { state, recoveryReason } = ports.ledger
  if (state.manifest !== undefined) {
    const same = Buffer.compare(state.manifest.raw, raw) === 0
    const message = 'EDG_STARTUP_MANIFEST is not used: a manifest is in force already'
    if (same) ports.log.warn({ file }, message)
    else
      ports.log.error({ file }, `${message}, AND IT DIFFERS from the file; change it with a manifest update`)
    return
  }
  if (recoveryReason !== undefined) {
    ports.log.error({ file }, 'EDG_STARTUP_MANIFEST is not used: sealed state is here and waits for recovery')
    return
  }
  try {
    await setManifest(raw, { kind: 'startup' }, ports)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new ConfigError(`EDG_STARTUP_MANIFEST: "${file}" can't be set: ${error.message}`)
  }
}

/** A listener's open connections, so that its end waits for answers that are being sent, but for no idle one. */
class Connections {
  readonly #server: Http2SecureServer
  /** All of TCP; some have no TLS yet. */
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<ServerHttp2Session>()
  /** Those without an HTTP/2 session. */
  readonly #http1 = new Set<TLSSocket>()

  constructor(server: Http2SecureServer) {
    this.#server = server
    const keep = <T extends EventEmitter>(set: Set<T>, connection: T): void => {
      set.add(connection)
      connection.once('close', () => set.delete(connection))
    }
    server.on('connection', (socket: Socket) => {
      keep(this.#sockets, socket)
    })
    server.on('session', (session) => {
      keep(this.#sessions, session)
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol !== 'h2') keep(this.#http1, socket)
    })
  }

  /**
   * Takes no new connection. Not the server's own `close`, which destroys HTTP/1.1 connections whose answer was handed
   * over, though it may not have been sent yet.
   */
  stop(): void {
    Server.prototype.close.call(this.#server)
    for (const session of this.#sessions) session.close()
  }

  /** After {@link stop}: waits until what was answered is sent, at most so many milliseconds. */
  async drain(withinMs: number): Promise<void> {
    const signal = AbortSignal.timeout(Math.max(withinMs, 1))
    // What an operation gave becomes an answer in this turn of the event loop.
    await setImmediate()
    for (const socket of this.#http1) socket.destroySoon()
    const closed = [...this.#sessions, ...this.#http1].map((connection) =>
      once(connection, 'close', { signal }),
    )
    await Promise.allSettled(closed)
  }

  destroy(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
