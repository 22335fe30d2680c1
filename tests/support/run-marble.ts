/** `taw run` for tests, without the rest of the command line: run-marble.ts [app args…] */
import { runMarble } from '../../packages/marble/src/runner/index.ts'

process.exit(await runMarble({ command: process.argv.slice(2), environment: process.env }))
