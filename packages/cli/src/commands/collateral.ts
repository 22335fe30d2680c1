import { EvidenceInvalid, failureSentence, findEvidence } from '@taw/attestation'
import { nodeCrypto } from '@taw/attestation/node'
import { printable } from '@taw/client'
import { CollateralUnavailable, createCollateralService } from '@taw/collateral'
import type { CollateralService, CollateralServiceOptions, IntelServiceOptions } from '@taw/collateral'
import type { FlagValues } from '../arguments/flag.ts'
import type { CommandHandler, Invocation } from '../command.ts'
import { CliError } from '../errors.ts'
import { readInput, readInputIfPresent, writeOutput } from '../output/files.ts'

const FMSPC = /^[0-9a-fA-F]{12}$/

/** Fetches what evidence, or a kind of platform, needs, and writes it as one file. */
export const collateralExport: CommandHandler = async (invocation) => {
  const { args, flags, stderr } = invocation
  const output = flags.string('output')
  if (output === undefined) throw new CliError('Exporting collateral: name the file to write with -o FILE')
  const service = createService(invocation, serviceOptions(invocation))
  try {
    for (const argument of args) await fetchFor(argument, service, flags)
    const bundle = service.exportBundle()
    writeOutput(output, bundle, 'the bundle')
    stderr(`${service.stats().documents} documents in ${JSON.stringify(output)}`)
    return 0
  } finally {
    service.close()
  }
}

/** Puts the documents of a bundle into the cache directory of a Coordinator, each one verified. */
export const collateralImport: CommandHandler = async (invocation) => {
  const [file = ''] = invocation.args
  const directory = invocation.flags.string('cache')
  if (directory === undefined) throw new CliError('Importing collateral: name the directory with --cache DIR')
  const bundle = readInput(file, 'the bundle')
  const service = createService(invocation, { intel: 'off', amd: 'off', directory })
  try {
    const documents = await attempt(`Importing ${JSON.stringify(file)}`, () => service.importBundle(bundle))
    for (const { name, outcome, message } of documents) {
      invocation.stdout(`${outcome} ${name}${message === '' ? '' : `: ${printable(message)}`}\n`)
    }
    const refused = documents.filter(({ outcome }) => outcome === 'refused').length
    if (refused === 0) return 0
    throw new CliError(
      `Importing ${JSON.stringify(file)}: ${refused} of ${documents.length} documents were refused, see above`,
    )
  } finally {
    service.close()
  }
}

function createService(
  { stderr }: Invocation,
  options: Omit<CollateralServiceOptions, 'crypto' | 'notice'>,
): CollateralService {
  try {
    return createCollateralService({
      ...options,
      crypto: nodeCrypto,
      notice: ({ kind, document, message }) => {
        if (kind !== 'stored') stderr(`${kind} ${document}: ${printable(message)}`)
      },
    })
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function serviceOptions({ flags, env }: Invocation): Pick<CollateralServiceOptions, 'intel' | 'amd'> {
  const caFile = flags.string('service-ca')
  const update = flags.string('tcb-update') ?? 'standard'
  if (update !== 'standard' && update !== 'early') {
    throw new CliError(`--tcb-update is '${update}'; it must be standard or early`)
  }
  const connection = {
    ca: caFile === undefined ? undefined : readInput(caFile, 'the CA certificates').toString('utf8'),
    proxy: {
      httpsProxy: env['HTTPS_PROXY'] ?? env['https_proxy'],
      noProxy: env['NO_PROXY'] ?? env['no_proxy'],
    },
    acceptAnyTlsCertificate: flags.bool('accept-any-tls'),
  }
  const intel: IntelServiceOptions = { ...connection, url: flags.string('pccs-url'), update }
  return { intel, amd: { ...connection, url: flags.string('kds-url') } }
}

async function fetchFor(argument: string, service: CollateralService, flags: FlagValues): Promise<void> {
  const file = readInputIfPresent(argument, 'the evidence')
  await attempt(`Getting collateral for ${JSON.stringify(argument)}`, async () => {
    if (file) return fetchForEvidence(file, service)
    if (FMSPC.test(argument)) return fetchForPlatform(argument.toLowerCase(), service, flags)
    throw new CliError('it is neither a file nor an FMSPC (12 hex digits)')
  })
}

/** For machines that nobody has evidence of yet: both CAs, and the TEEs that are named. */
async function fetchForPlatform(fmspc: string, service: CollateralService, flags: FlagValues): Promise<void> {
  const named = flags.strings('tee')
  const failures: CollateralUnavailable[] = []
  const tees = (named ?? ['sgx', 'tdx']).map(readTee)
  for (const tee of tees) {
    try {
      for (const ca of CAS[tee]) await service.forIntelPlatform({ tee, fmspc, ca })
    } catch (error) {
      // Not every platform has TDX; who names it wants it.
      const isAbsent = error instanceof CollateralUnavailable && error.reason === 'not-found'
      if (named || !isAbsent) throw error
      failures.push(error)
    }
  }
  const [failure] = failures
  if (failure && failures.length === tees.length) throw failure
}

/** TDX platforms register with Intel as a whole, and get certificates of the platform CA. */
const CAS = { SGX: ['platform', 'processor'], TDX: ['platform'] } as const

function readTee(name: string): 'SGX' | 'TDX' {
  const tee = (['SGX', 'TDX'] as const).find((one) => one === name.toUpperCase())
  if (tee) return tee
  throw new CliError(`--tee is '${name}'; it must be sgx, tdx or both with a comma`)
}

async function fetchForEvidence(bytes: Uint8Array, service: CollateralService): Promise<void> {
  const evidence = findEvidence(bytes)
  if (!evidence || evidence.kind === 'nitro-document' || evidence.kind === 'cca-token') {
    throw new CliError(
      'it has neither a quote of Intel nor an SEV-SNP report; other evidence needs no collateral',
    )
  }
  await service.forEvidence(evidence)
}

async function attempt<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const sentence = error instanceof EvidenceInvalid ? failureSentence(error) : reason
    throw new CliError(`${doing}: ${printable(sentence)}`, { cause: error })
  }
}
