import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { CliError } from '../errors.ts'
import { readInput } from '../output/files.ts'
import { isElf, sectionsNamed } from './elf.ts'
import { findSigstruct } from './sigstruct.ts'
import type { EnclaveProperties } from './sigstruct.ts'

/** Where signed enclaves keep it: Open Enclave and EGo, then Intel's SDK and Occlum. */
const SECTIONS = ['.oeinfo', '.note.sgxmeta']
/** Below an Occlum instance. */
const OCCLUM_LIBRARY = 'build/lib/libocclum-libos.signed.so'

export interface FoundEnclave {
  readonly properties: EnclaveProperties
  /** What it was found in, for people. */
  readonly title: string
  /** Said before the title. */
  readonly detected: string | undefined
}

/**
 * The properties of the enclave in a file (a `.sig`, a signed ELF) or a folder (Gramine, Occlum).
 * @returns undefined for a file without any
 * @throws CliError for folders without, and for what is cut or ambiguous
 */
export function findEnclave(place: string): FoundEnclave | undefined {
  const where = JSON.stringify(place)
  const found = statSync(place, { throwIfNoEntry: false })
  if (!found) throw new CliError(`Reading ${where}: there is no such file or folder`)
  if (found.isDirectory()) return inFolder(place, where)
  const properties = inFile(place)
  return properties && { properties, title: `PackageProperties for '${place}':`, detected: undefined }
}

function inFile(file: string): EnclaveProperties | undefined {
  const bytes = readInput(file, 'the enclave')
  const where = JSON.stringify(file)
  // Raw files may have it anywhere.
  if (!isElf(bytes)) return findSigstruct(bytes, where)
  const sections = sectionsNamed(bytes, SECTIONS, where)
  if (sections.length === 0) {
    throw new CliError(
      `Reading ${where}: the ELF file has no section ${SECTIONS.join(' or ')}, so it is no signed enclave; sign it, or give the file that was signed`,
    )
  }
  const [properties] = sections.flatMap((section) => findSigstruct(section, where) ?? [])
  if (properties) return properties
  throw new CliError(
    `Reading ${where}: the sections ${SECTIONS.join(' and ')} hold no signature (SIGSTRUCT); sign the enclave, or give the file that was signed`,
  )
}

function inFolder(folder: string, where: string): FoundEnclave {
  const signatures = readdirSync(folder).filter((name) => name.endsWith('.sig'))
  const [signature, ...others] = signatures
  if (others.length > 0) {
    throw new CliError(
      `Reading ${where}: there are several signatures, ${signatures.join(', ')}; name one of them`,
    )
  }
  const library = path.join(folder, OCCLUM_LIBRARY)
  if (signature !== undefined) return inPart(path.join(folder, signature), 'Gramine instance', folder)
  if (existsSync(library)) return inPart(library, 'Occlum image', folder)
  throw new CliError(
    `Reading ${where}: the folder has neither a Gramine signature (*.sig) nor an Occlum enclave (${OCCLUM_LIBRARY})`,
  )
}

function inPart(file: string, what: string, folder: string): FoundEnclave {
  const properties = inFile(file)
  if (!properties) {
    throw new CliError(
      `Reading ${JSON.stringify(file)}: it holds no signature of an enclave (SIGSTRUCT); sign the enclave anew`,
    )
  }
  return { properties, title: `PackageProperties for ${what} at '${folder}':`, detected: `Detected: ${what}` }
}
