/**
 * A Coordinator that believes the TEE kit whose `kit.json` is the first argument: what ships has no way to be told so.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { runCoordinator } from '../../packages/coordinator/src/run.ts'
import { kitRoots } from './kit-roots.ts'
import type { KitDescription } from '../../packages/tee-kit/src/index.ts'

const [, , file = ''] = process.argv
await runCoordinator({
  env: process.env,
  workingDirectory: process.cwd(),
  gramineKeys: path.join(process.env['TAW_EVIDENCE_GRAMINE_DIR'] ?? '', 'keys'),
  roots: kitRoots(JSON.parse(readFileSync(file, 'utf8')) as KitDescription),
})
