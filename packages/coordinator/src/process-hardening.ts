import { writeFileSync } from 'node:fs'
import { url as debuggerUrl } from 'node:inspector'
import { ConfigError, type Environment } from './config.ts'
import type { Logger } from './logger.ts'

/**
 * Variables by which whoever starts the process could run code in it, make it write out what it holds, or change whom
 * its connections believe (Node's cli.md, "Environment variables"; openssl-env(7); ld.so(8)). Their absence here proves
 * nothing, since some of them act before this program does: `scripts/launch.sh` looks before Node starts, and what
 * starts that must be measured (docs/coordinator.md, "What the host may choose").
 */
const dangerous: readonly (readonly [effect: string, names: readonly string[]])[] = [
  [
    'lets its author run code in the Coordinator',
    [
      ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_COMPILE_CACHE', 'NODE_REPL_EXTERNAL_MODULE', 'NODE_ICU_DATA'],
      ...['OPENSSL_CONF', 'OPENSSL_MODULES', 'OPENSSL_ENGINES', 'LD_PRELOAD', 'LD_AUDIT'],
    ],
  ],
  [
    'writes out what the Coordinator keeps to itself',
    ['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE', 'SSLKEYLOGFILE'],
  ],
  [
    'changes whom its connections believe (TAW_COLLATERAL_CA_FILE names further CAs)',
    ['NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY'],
  ],
]

/**
 * Outside of simulation, which protects nothing anyway.
 *
 * @throws {@link ConfigError} naming the variable, or the debugger
 */
export function refuseHostInfluence(env: Environment): void {
  for (const [effect, names] of dangerous) {
    const name = names.find((candidate) => (env[candidate] ?? '') !== '')
    if (name === undefined) continue
    throw new ConfigError(
      `${name} is set, which ${effect}; take it out of the environment of this process, and see to it that the host ` +
        "can't put it there",
    )
  }
  if (debuggerUrl() === undefined) return
  throw new ConfigError(
    'a debugger listens, which reads and changes all that the Coordinator holds; start without --inspect',
  )
}

/**
 * What a signal, or a crash, would otherwise give away: SIGUSR1 opens Node's debugger for anyone on the machine, and a
 * core dump has every secret.
 */
export function closeSideDoors(log: Logger): void {
  // A handler takes the place of Node's. Where the launcher gave --disable-sigusr1, the signal does not come at all.
  process.on('SIGUSR1', () => undefined)
  process.on('uncaughtException', (error) => {
    // Node's own report has the source line and every member of the error.
    log.fatal({ error }, 'a defect ends the Coordinator')
    process.exit(1)
  })
  try {
    // No kind of memory goes into a core dump (core(5)); also where the limit of its size does not hold, in a pipe.
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch (error) {
    // Gramine has no such file, and writes no core dumps.
    log.debug({ error }, "core dumps can't be emptied")
  }
}
