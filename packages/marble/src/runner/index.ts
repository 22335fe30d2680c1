export { exitCodeOf } from './exit-code.ts'
export { runMarble, type RunOptions } from './run.ts'
export type { Environment } from './settings.ts'
