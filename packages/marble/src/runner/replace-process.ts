import { readFileSync } from 'node:fs'

import { MarbleError } from '../errors.ts'

/** What execve(2) takes. */
export interface Program {
  /** Absolute path. */
  readonly file: string
  /** Its own name first. */
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** Replaces this process; returns only in tests. */
export type ReplaceProcess = (program: Program) => void

/**
 * Replaces this process by the program, with `process.execve` (Node.js 22.15, 23.11, 24 or newer).
 *
 * The process id, the working folder and standard input, output and error stay. Every descriptor that Node.js opened
 * closes by itself (close-on-exec). An error of execve(2) aborts the process: {@link checkSize} and `findExecutable`
 * look for every cause that can be known before.
 */
export const replaceProcess: ReplaceProcess = ({ file, argv, environment }) => {
  if (process.execve === undefined) {
    throw new MarbleError(
      'executable_unusable',
      `starting "${file}": this Node.js (${process.version}) can't replace its process; use version 24`,
    )
  }
  // Node.js ignores these two signals (PlatformInit in src/node.cc), and a program inherits what is ignored; handled
  // ones go back to their default. Without this, `app | head` would not end.
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => undefined)
  for (const stream of [process.stdin, process.stdout, process.stderr]) makeBlocking(stream)
  process.execve(file, argv, environment)
}

/**
 * Node.js makes standard streams that are pipes or sockets non-blocking as soon as anything names them (importing
 * `node:http2` does), and the flag belongs to the open file, not to the process: the application would inherit it, and
 * few programs expect EAGAIN from writing to standard error. There is no public way to take it back.
 */
function makeBlocking(stream: object): void {
  const handle = '_handle' in stream ? stream._handle : undefined
  if (typeof handle !== 'object' || handle === null || !('setBlocking' in handle)) return
  if (typeof handle.setBlocking === 'function') Reflect.apply(handle.setBlocking, handle, [true])
}

/** MAX_ARG_STRLEN: 32 pages of 4 KiB (Linux include/uapi/linux/binfmts.h), with the final NUL. */
const longestString = 131_072

/**
 * Checks that arguments and environment fit into a new process: each string, and all of them with their pointers
 * (a quarter of the stack's limit, at least 128 KiB and at most 6 MiB: Linux fs/exec.c, `bprm_stack_limits`).
 *
 * @param stackLimit soft limit of the stack in bytes; by default that of this process
 * @throws {@link MarbleError} `grant_inapplicable`, naming the longest string but not its value
 */
export function checkSize({ file, argv, environment }: Program, stackLimit: number = ownStackLimit()): void {
  const strings = [
    ...argv.map((text, index) => ({ what: `argument ${index}`, size: Buffer.byteLength(text) + 1 })),
    ...Object.entries(environment).map(([name, value]) => ({
      what: `the environment variable "${name}"`,
      size: Buffer.byteLength(name) + Buffer.byteLength(value) + 2,
    })),
  ]
  const pointerSize = 8
  const total = strings.reduce((sum, { size }) => sum + size + pointerSize, Buffer.byteLength(file) + 1)
  const longest = strings.reduce((max, next) => (next.size > max.size ? next : max), {
    what: 'nothing',
    size: 0,
  })
  const totalLimit = Math.max(longestString, Math.min(stackLimit / 4, 6 * 1024 * 1024))
  if (longest.size <= longestString && total <= totalLimit) return
  throw new MarbleError(
    'grant_inapplicable',
    `starting "${file}": ${longest.what} has ${longest.size} bytes, everything together ${total}; the system takes ` +
      `${longestString} for one and ${totalLimit} for all: give large values as files`,
  )
}

function ownStackLimit(): number {
  const usual = 8 * 1024 * 1024
  try {
    const soft = /^Max stack size +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    if (soft === 'unlimited') return Number.POSITIVE_INFINITY
    return soft === undefined ? usual : Number(soft)
  } catch {
    return usual
  }
}
