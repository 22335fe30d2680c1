import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs'
import path from 'node:path'

import { MarbleError, reasonOf, systemCodeOf } from '../errors.ts'

/** Where the C library looks when there is no PATH (glibc, `confstr(_CS_PATH)`). */
const defaultSearchPath = '/bin:/usr/bin'

/**
 * Finds the executable as execvp(3) does: a name with a slash is a path, anything else is looked for in PATH.
 *
 * `process.execve` can't report an error: it aborts the process. So everything that the kernel would refuse is looked
 * for before.
 *
 * @returns an absolute path
 * @throws {@link MarbleError} `executable_missing`, `executable_unusable`
 */
export function findExecutable(name: string, searchPath: string | undefined, workingFolder: string): string {
  const candidates = name.includes('/')
    ? [path.resolve(workingFolder, name)]
    : (searchPath ?? defaultSearchPath).split(':').map((folder) => path.resolve(workingFolder, folder, name))
  let unusable: MarbleError | undefined
  for (const candidate of name === '' ? [] : candidates) {
    const why = whyNotExecutable(candidate)
    if (why === undefined) return candidate
    if (why !== 'missing') {
      unusable ??= new MarbleError('executable_unusable', `starting "${name}": "${candidate}" ${why}`)
    }
  }
  if (unusable !== undefined) throw unusable
  throw new MarbleError(
    'executable_missing',
    name.includes('/')
      ? `starting "${name}": there is no such file`
      : `starting "${name}": it is in none of the folders of PATH (${searchPath ?? defaultSearchPath})`,
  )
}

/** undefined when the kernel will run it; `missing`; else what is wrong with it. */
function whyNotExecutable(file: string): string | undefined {
  try {
    if (!statSync(file).isFile()) return 'is no regular file'
    accessSync(file, constants.X_OK)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return 'missing'
    return `can't be executed: ${reasonOf(error)}`
  }
  const head = readHead(file)
  // A file that may be executed but not read: the kernel decides.
  if (head === undefined) return undefined
  const interpreter = interpreterOf(head)
  if (interpreter === 'unknown') {
    return "is neither an ELF file nor a script that begins with #!, so the kernel can't run it"
  }
  if (interpreter === undefined) return undefined
  try {
    accessSync(interpreter, constants.X_OK)
    return undefined
  } catch (error) {
    return `needs the interpreter "${interpreter}", which can't be executed: ${reasonOf(error)}`
  }
}

/** Enough for the program headers and the interpreter's name, which linkers put first. */
const headLength = 4096

function readHead(file: string): Buffer | undefined {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const head = Buffer.alloc(headLength)
      return head.subarray(0, readSync(descriptor, head, 0, headLength, 0))
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return undefined
  }
}

/** The program that the kernel starts in place of the file; undefined when there is none, or none that can be seen. */
function interpreterOf(head: Buffer): string | undefined {
  if (head.toString('latin1', 0, 2) === '#!') {
    // The kernel reads 256 bytes (BINPRM_BUF_SIZE, Linux include/uapi/linux/binfmts.h).
    const line = head.toString('utf8', 2, 256).split('\n', 1)[0] ?? ''
    return /^[ \t]*([^ \t\0]+)/.exec(line)?.[1] ?? 'unknown'
  }
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return 'unknown'
  return elfInterpreter(head)
}

/**
 * PT_INTERP of a 64-bit little-endian file ("Tool Interface Standard ELF", figures 1-3 and 2-1, in the 64-bit layout
 * of the System V ABI, chapters 4 and 5). Other classes aren't looked into.
 */
function elfInterpreter(head: Buffer): string | undefined {
  const is64BitLittleEndian = head[4] === 2 && head[5] === 1
  if (!is64BitLittleEndian || head.length < 64) return undefined
  const tableOffset = Number(head.readBigUInt64LE(32))
  const entrySize = head.readUInt16LE(54)
  const entries = head.readUInt16LE(56)
  const headerSize = 56
  for (let index = 0; index < entries && entrySize >= headerSize; index += 1) {
    const at = tableOffset + index * entrySize
    if (at + headerSize > head.length) return undefined
    const interpreterType = 3
    if (head.readUInt32LE(at) !== interpreterType) continue
    const start = Number(head.readBigUInt64LE(at + 8))
    const end = start + Number(head.readBigUInt64LE(at + 32))
    // The name ends with NUL.
    return end <= head.length && end > start + 1 ? head.toString('utf8', start, end - 1) : undefined
  }
  return undefined
}
