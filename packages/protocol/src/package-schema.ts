/**
 * JSON Schema of the entries of `Packages` and `Infrastructures`. What the fields are is for `@taw/attestation` to say; a
 * test of the Coordinator compares the two.
 */

type Schema = Readonly<Record<string, unknown>>

const described = (description: string, schema: Schema): Schema => ({ ...schema, description })
const object = (properties: Record<string, Schema>): Schema => ({
  type: 'object',
  properties,
  additionalProperties: false,
})
const list = (items: Schema): Schema => ({ type: 'array', items })
const oneOrList = (item: Schema): Schema => ({ anyOf: [item, { type: 'array', items: item, minItems: 1 }] })

const text: Schema = { type: 'string' }
const flag: Schema = { type: 'boolean' }
const unsigned: Schema = { type: 'integer', minimum: 0 }
const upTo = (maximum: number): Schema => ({ type: 'integer', minimum: 0, maximum })
const unsigned16 = upTo(0xffff)
const unsigned32 = upTo(0xffffffff)
const like = (pattern: string): Schema => ({ type: 'string', pattern })
const hex = (...lengths: readonly number[]): Schema =>
  like(`^(?:${lengths.map((bytes) => `[0-9a-fA-F]{${2 * bytes}}`).join('|')})$`)
const hexes = (...lengths: readonly number[]): Schema => oneOrList(hex(...lengths))
const scalar: Schema = { type: ['string', 'number', 'boolean'] }
const bytes: Schema = {
  anyOf: [{ type: 'string', contentEncoding: 'base64' }, list(upTo(255))],
}
/** By index, `"4"` or `"PCR4"`. @param indexes a pattern */
const pcrs = (indexes: string, ...lengths: readonly number[]): Schema => ({
  type: 'object',
  patternProperties: { [`^(?:[Pp][Cc][Rr])?(${indexes})$`]: hexes(...lengths) },
  additionalProperties: false,
})
const nitroPcrs = pcrs('[0-9]|[12][0-9]|3[01]', 48)
const tpmPcrs = pcrs('[0-9]|1[0-9]|2[0-3]', 32, 48)

const levelStatuses = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
]
const statuses = (...others: readonly string[]): Schema =>
  described(
    'Accepted besides UpToDate; when absent, SWHardeningNeeded is',
    list({ enum: [...levelStatuses, ...others] }),
  )
const advisories = described('Advisories accepted with SWHardeningNeeded; none given: all', list(text))
const debug = described(
  'Must equal the debug flag. The host can read the memory of what runs under debug',
  flag,
)

const tdx = object({
  MRTD: described('The firmware that the TD starts with; needed', hexes(48)),
  RTMR0: described('Settings of the firmware', hexes(48)),
  RTMR1: described('Boot loader and kernel', hexes(48)),
  RTMR2: described('Command line, initrd', hexes(48)),
  RTMR3: described('What the system measures itself', hexes(48)),
  MRConfigID: described(
    'Chosen by the host; means something if the measured software looks at it',
    hexes(48),
  ),
  MROwner: hexes(48),
  MROwnerConfig: hexes(48),
  MRSeam: described('The TDX module', hexes(48)),
  MRSignerSeam: hexes(48),
  MRServiceTD: described('Service TDs bound to the TD; TDX 1.5', hexes(48)),
  TDAttributes: hexes(8),
  XFAM: hexes(8),
  SeptVEDisable: described('Must equal the attribute', flag),
  MinimumTEETCBSVN: described(
    'TEE_TCB_SVN, at least, component by component',
    like('^(?:[0-9a-fA-F]{2}){1,16}$'),
  ),
  Debug: debug,
  AcceptedAdvisories: advisories,
  AcceptedTCBStatuses: statuses('TDRelaunchAdvised', 'TDRelaunchAdvisedConfigurationNeeded'),
  MinimumTCBEvaluationDataNumber: described(
    "How recent Intel's judgement of the platform must be",
    unsigned32,
  ),
})

const component = upTo(255)
const tcbVersion = (description: string): Schema =>
  described(
    description,
    object({
      FMC: described('Turin and later', component),
      Bootloader: component,
      TEE: component,
      SNP: component,
      Microcode: component,
    }),
  )

const chipId = described('Zeros after the 8 bytes of a Turin', hexes(64))
const cspId = described('Providers of VLEKs, for example CN=cc-us-east-2.amazonaws.com', oneOrList(text))
const products = oneOrList({ enum: ['Milan', 'Genoa', 'Turin'] })
const signingKeys = oneOrList({ enum: ['VCEK', 'VLEK'] })
const firmware = described(
  '"major.minor" or "major.minor.build"',
  like(String.raw`^\d{1,3}\.\d{1,3}(?:\.\d{1,3})?$`),
)
const platform = described(
  'Settings of the machine; must equal',
  object({
    SMT: flag,
    TSME: flag,
    ECC: flag,
    RAPLDisabled: flag,
    CiphertextHiding: flag,
    AliasCheckComplete: flag,
    IOMMUWriteSafe: flag,
    TIO: flag,
  }),
)
const reportedTcb = tcbVersion('The TCB version that the report is signed for, at least')
const committedTcb = tcbVersion("What the host can't go back behind, at least")

const snp = object({
  Measurement: described('What the guest starts with', hexes(48)),
  HostData: described('Chosen by the host', hexes(32)),
  IDKeyDigest: described('Signer of the guest. Needs MinimumGuestSVN', hexes(48)),
  AuthorKeyDigest: described('Signer of the signer. Needs MinimumGuestSVN', hexes(48)),
  FamilyID: hexes(16),
  ImageID: hexes(16),
  ChipID: chipId,
  CSPID: cspId,
  Products: products,
  SigningKeys: signingKeys,
  MinimumGuestSVN: described('Version that the signer gave the guest, at least', unsigned32),
  VMPL: described('Privilege levels that reports may come from', oneOrList(upTo(3))),
  MinimumTCB: reportedTcb,
  MinimumCommittedTCB: committedTcb,
  MinimumLaunchTCB: tcbVersion('The TCB version when the guest started, at least'),
  MinimumReportVersion: unsigned32,
  MinimumABI: described('That the guest demands of the firmware', like(String.raw`^\d{1,3}\.\d{1,3}$`)),
  MinimumFirmware: firmware,
  Debug: debug,
  Policy: described(
    "Bits of the guest's policy; must equal. MigrateMA is false when absent",
    object({
      SMT: flag,
      MigrateMA: flag,
      SingleSocket: flag,
      CXLAllow: flag,
      MemAES256XTS: flag,
      RAPLDis: flag,
      CiphertextHiding: flag,
      PageSwapDisable: flag,
    }),
  ),
  Platform: platform,
})

const nitro = object({
  PCRs: described('By index. 0: the image; 1 and 2: its kernel and application; 8: its signer', nitroPcrs),
  ModuleID: described('Instance and enclave', oneOrList(text)),
  Debug: debug,
})

const azureVtpm = object({
  PCRs: described('By index. 4: boot loader; 7: keys of Secure Boot; 11: unified kernel image', tpmPcrs),
  VMConfiguration: described("Members of Azure's VM configuration, for example secure-boot", {
    type: 'object',
    additionalProperties: oneOrList(scalar),
  }),
  SNP: described('The paravisor, on SEV-SNP', snp),
  TDX: described('The paravisor, on TDX', tdx),
})

const sgxHash = (description: string): Schema => described(description, like('^(?:[0-9a-fA-F]{64})?$'))

/** What a workload must prove, for each kind of TEE that it may run on. */
export const packageSchema = object({
  UniqueID: sgxHash('SGX MRENCLAVE: the exact build. Then none of SignerID, ProductID, SecurityVersion'),
  SignerID: sgxHash('SGX MRSIGNER. Needs ProductID and SecurityVersion'),
  ProductID: described('SGX ISVPRODID', unsigned),
  SecurityVersion: described('SGX ISVSVN, at least', unsigned),
  Debug: described('Of SGX: must equal the debug flag of the enclave', flag),
  AcceptedAdvisories: advisories,
  AcceptedTCBStatuses: statuses(),
  TDX: described('Intel TDX: needs MRTD', tdx),
  SNP: described('AMD SEV-SNP: needs Measurement, or a key digest and MinimumGuestSVN', snp),
  Nitro: described('AWS Nitro Enclaves: needs PCR 0, or 1 and 2, or 8', nitro),
  AzureVTPM: described('Confidential VMs on Azure: needs PCR 4 or 7, and SNP or TDX', azureVtpm),
})

/** What a platform must prove. */
export const infrastructureSchema = object({
  CPUSVN: described('Intel: least CPUSVN, component by component; 16 bytes', bytes),
  QESVN: described('Intel: ISVSVN of the quoting enclave, at least', unsigned16),
  PCESVN: described('Intel: at least', unsigned16),
  RootCA: described('Intel: DER of the root certificate of the evidence', bytes),
  SNP: object({
    ChipID: chipId,
    CSPID: cspId,
    Products: products,
    SigningKeys: signingKeys,
    MinimumTCB: reportedTcb,
    MinimumCommittedTCB: committedTcb,
    MinimumFirmware: firmware,
    Platform: platform,
    RootCA: described("DER of AMD's ARK", bytes),
  }),
  Nitro: object({
    PCRs: described("By index. 3: the parent instance's IAM role; 4: the parent instance", nitroPcrs),
    RootCA: described("DER of AWS's root certificate", bytes),
  }),
})

const duration = like('^[0-9]{1,6}[smhd]$')

/** What the collateral of evidence must be. */
export const collateralSchema = object({
  MaximumAge: described('Since the issue of the oldest of it, for example "720h" or "30d"', duration),
  GracePeriod: described('How long after its end it is still taken where nothing newer is at hand', duration),
  MinimumTCBEvaluationDataNumber: described("Intel's number of the judgement, at least", unsigned32),
})
