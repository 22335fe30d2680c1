import { Command, CommanderError, Option } from 'commander'
import type { ParseOptionsResult } from 'commander'
import { expand } from './arguments/expand.ts'
import { FlagValues } from './arguments/flag.ts'
import type { Flag } from './arguments/flag.ts'
import { globalFlags } from './arguments/flags.ts'
import { hoist } from './arguments/hoist.ts'
import type { CommandSpec, Surroundings } from './command.ts'
import { commands, groups } from './commands.ts'
import { UsageError } from './errors.ts'

const helpFlag: Flag = { name: 'help', short: 'h', type: 'bool', means: 'show this help' }

/** A command whose flags are read in the original's forms, which are more than Commander's. */
class LeafCommand extends Command {
  readonly values = new FlagValues()
  readonly spec: CommandSpec
  readonly flags: readonly Flag[]

  constructor(spec: CommandSpec) {
    super(spec.path.at(-1))
    this.spec = spec
    this.flags =
      spec.readsFlags === false ? [] : [...spec.flags, ...(spec.inheritedFlags ?? []), ...globalFlags]
    this.description(spec.about)
    this.usage(this.flags.length > 0 ? `${spec.arguments} [flags]`.trimStart() : spec.arguments)
    this.allowExcessArguments()
    this.helpOption('-h, --help', helpFlag.means)
    for (const flag of this.flags) this.addOption(toOption(flag))
  }

  override parseOptions(argv: string[]): ParseOptionsResult {
    if (this.spec.readsFlags === false) return passThrough(argv)
    const [first = ''] = argv
    // A command may have subcommands besides arguments of its own; then the flags are the subcommand's.
    if (this.commands.some((command) => command.name() === first)) {
      return { operands: [first], unknown: argv.slice(1) }
    }
    const operands: string[] = []
    for (const word of expand(argv, [...this.flags, helpFlag])) {
      if ('problem' in word) throw this.usageError(word.problem)
      if ('operand' in word) operands.push(word.operand)
      // Commander looks for the help flag among those that a command doesn't know.
      else if (word.flag === helpFlag) return { operands: [], unknown: ['--help'] }
      else this.values.set(word.flag, word.value)
    }
    return { operands, unknown: [] }
  }

  checkCount(): void {
    const [fewest, most] = this.spec.count
    const given = this.args.length
    if (given >= fewest && given <= most) return
    const expected = fewest === most ? `${fewest}` : `at least ${fewest}`
    throw this.usageError(`${given} arguments given, ${expected} needed: ${this.spec.arguments || 'none'}`)
  }

  usageError(problem: string): UsageError {
    return new UsageError(
      `taw ${this.spec.path.join(' ')}: ${problem}`,
      this.helpInformation(),
      this.spec.usageExitCode,
    )
  }
}

function passThrough(argv: string[]): ParseOptionsResult {
  const [first] = argv
  if (first === '--help' || first === '-h') return { operands: [], unknown: ['--help'] }
  return { operands: first === '--' ? argv.slice(1) : argv, unknown: [] }
}

function toOption(flag: Flag): Option {
  const names = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`
  const value = { bool: '', string: ' <value>', strings: ' <list>', repeated: ' <value>' }[flag.type]
  const option = new Option(names + value, flag.means)
  // For help alone: a command knows its own defaults.
  return flag.default === undefined ? option : option.default('', flag.default)
}

/**
 * Runs one command line.
 * @param args without the program's own name
 * @returns the exit code
 * @throws UsageError, and whatever the command throws
 */
export async function runProgram(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode = 0
  const program = new Command('taw').description(
    'Command line of Taw, the control plane for confidential services',
  )
  const parents = new Map<string, Command>(
    groups.map(({ name, about }) => [name, new Command(name.split(' ').at(-1)).description(about)]),
  )
  for (const group of [program, ...parents.values()]) {
    group.usage('COMMAND [arguments] [flags]').enablePositionalOptions()
    configure(group, surroundings)
  }
  const parentOf = (path: readonly string[]): Command => parents.get(path.slice(0, -1).join(' ')) ?? program
  for (const [name, group] of parents) parentOf(name.split(' ')).addCommand(group.helpCommand(false))
  for (const spec of commands) {
    const leaf = new LeafCommand(spec)
    configure(leaf, surroundings)
    leaf.action(async () => {
      leaf.checkCount()
      const handler = await spec.load()
      exitCode = (await handler({ ...surroundings, args: leaf.args, flags: leaf.values })) ?? 0
    })
    parentOf(spec.path).addCommand(leaf, { hidden: spec.hidden === true })
    if (spec.path.length === 1) parents.set(spec.path.join(' '), leaf.helpCommand(false))
  }
  try {
    await program.parseAsync(hoist(withHelpFlag(args), commands, [...globalFlags, helpFlag]), {
      from: 'user',
    })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.help' || error.code === 'commander.helpDisplayed') return 0
    surroundings.stderr(`Error: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')}`)
    return 1
  }
  return exitCode
}

/** `help manifest get` is `manifest get --help`: Commander's own `help` command goes one level deep. */
const withHelpFlag = (args: readonly string[]): readonly string[] =>
  args[0] === 'help' ? [...args.slice(1), '--help'] : args

/** Help goes to stdout whoever asks for it (a group without a command does); errors are thrown, not printed. */
function configure(command: Command, surroundings: Surroundings): void {
  command.exitOverride()
  command.configureHelp({
    subcommandTerm: (sub) =>
      sub instanceof LeafCommand ? `${sub.name()} ${sub.spec.arguments}`.trimEnd() : sub.name(),
  })
  command.configureOutput({
    writeOut: surroundings.stdout,
    writeErr: surroundings.stdout,
    outputError: () => undefined,
  })
}
