import { randomBytes } from 'node:crypto'
import { mkdir, rmdir } from 'node:fs/promises'
import path from 'node:path'

import { MarbleError, reasonOf, systemCodeOf } from '../errors.ts'
import type { EvidenceProvider } from './provider.ts'
import { readPseudoFile, writePseudoFile } from './pseudo-file.ts'

/** Linux' Documentation/ABI/testing/configfs-tsm: each folder made here is one request for a report. */
export const tsmFolder = '/sys/kernel/config/tsm/report'

/** The kernel allows an outblob of 32 KiB, newer ones more; TDX quotes have 5 to 8 KiB. */
const blobLimit = 1024 * 1024

/** The kernel's interface: requests are folders, their attributes files. */
export interface ReportRequests {
  readonly make: (folder: string) => Promise<void>
  readonly write: (file: string, bytes: Uint8Array) => Promise<void>
  readonly read: (file: string) => Promise<Uint8Array>
  readonly remove: (folder: string) => Promise<void>
}

const configfs: ReportRequests = {
  make: async (folder) => {
    await mkdir(folder)
  },
  write: writePseudoFile,
  read: (file) => readPseudoFile(file, blobLimit),
  remove: (folder) => rmdir(folder),
}

/**
 * Reports of Linux confidential VMs (TDX, SEV-SNP): a folder, 64 bytes into `inblob`, the report out of `outblob`.
 *
 * On SEV-SNP the host may add its certificate table in `auxblob`. Both then go as a JSON object with the kernel's
 * names (`provider`, `outblob`, `auxblob`; base64), a form that verifiers know; otherwise the report goes as it is.
 *
 * @param root where the kernel's report interface is
 * @param requests replaced where `root` is no configfs
 */
export function tsmEvidence(root: string = tsmFolder, requests: ReportRequests = configfs): EvidenceProvider {
  return {
    kind: 'tsm',
    quote: async (reportData) => {
      const folder = path.join(root, `taw-${randomBytes(8).toString('hex')}`)
      try {
        await requests.make(folder)
        try {
          return await readReport(requests, folder, reportData)
        } finally {
          await requests.remove(folder)
        }
      } catch (error) {
        throw new MarbleError(
          'evidence_unavailable',
          `getting a report from the kernel in "${root}": ${reasonOf(error)}; ` +
            'this needs write access to configfs (root), and a host that serves quotes',
          { cause: error },
        )
      }
    },
  }
}

async function readReport(
  requests: ReportRequests,
  folder: string,
  reportData: Uint8Array,
): Promise<Uint8Array> {
  const read = (name: string): Promise<Uint8Array> => requests.read(path.join(folder, name))
  const generation = async (): Promise<bigint> =>
    BigInt(
      Buffer.from(await read('generation'))
        .toString()
        .trim(),
    )

  const before = await generation()
  await requests.write(path.join(folder, 'inblob'), reportData)
  const report = await read('outblob')
  const provider = textOf(await read('provider'))
  const table = provider === 'sev_guest' ? await optional(read('auxblob')) : new Uint8Array()
  // Each write to the folder raises `generation` by one: more than ours means that the report is over other data.
  const writes = (await generation()) - before
  if (writes !== 1n) throw new Error(`another process wrote to the request: its generation rose by ${writes}`)
  if (report.length === 0) throw new Error('the report is empty')
  if (table.length === 0) return report
  return Buffer.from(JSON.stringify({ provider, outblob: base64(report), auxblob: base64(table) }))
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString().trim()
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** `auxblob` exists only where a provider has one (SEV-SNP), and reading it without data is ENOENT or ENXIO. */
async function optional(reading: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await reading
  } catch (error) {
    if (['ENOENT', 'ENXIO', 'ENODATA'].includes(systemCodeOf(error) ?? '')) return new Uint8Array()
    throw error
  }
}
