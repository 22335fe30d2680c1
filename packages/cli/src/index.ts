export { runCli } from './cli.ts'
export type { Surroundings } from './command.ts'
