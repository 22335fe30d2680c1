/** What ships: the only reader of process.env. */
import { runCoordinator } from './run.ts'

await runCoordinator({ env: process.env, workingDirectory: process.cwd() })
