import { readFileSync } from 'node:fs'
import type { Server, Socket } from 'node:net'

/** Descriptors that are left to the storage, to providers of evidence and to programs that are started. */
const otherDescriptors = 200

/**
 * Bounds the connections of a listener. One too many closes the oldest one of the address that has most: who keeps many
 * open to keep others out loses them, and an honest client is done within a moment. (Node's own `maxConnections` would
 * refuse the newest.)
 *
 * @param most counted from TCP's handshake on; fewer when the process may not open twice as many files
 */
export function limitConnections(server: Server, most: number): void {
  const limit = Math.max(1, Math.min(most, Math.floor((mayOpen() - otherDescriptors) / 2)))
  const bySource = new Map<string, Set<Socket>>()
  let count = 0
  server.on('connection', (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress ?? '')
    const own = bySource.get(source) ?? new Set()
    bySource.set(source, own.add(socket))
    count += 1
    socket.once('close', () => {
      count -= 1
      own.delete(socket)
      if (own.size === 0 && bySource.get(source) === own) bySource.delete(source)
    })
    if (count > limit) closeOldest(largest(bySource.values()))
  })
}

/** The soft limit, which Node raises to the hard one at its start. */
function mayOpen(): number {
  try {
    return Number(
      /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity,
    )
  } catch {
    return Infinity
  }
}

/** One subscriber has a whole /64 of IPv6 (RFC 6177). IPv4 comes as it is, or mapped into IPv6. */
export function sourceOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':')
}

function largest(sets: Iterable<ReadonlySet<Socket>>): ReadonlySet<Socket> {
  let found: ReadonlySet<Socket> = new Set()
  for (const set of sets) if (set.size > found.size) found = set
  return found
}

function closeOldest(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) {
    if (socket.destroyed) continue
    socket.destroy()
    return
  }
}
