import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import {
  skipWithoutSwtpm,
  SoftwareTpm,
} from '../packages/coordinator/src/sealing/providers/tpm/test-swtpm.ts'
import { get, TestCoordinator } from './support/coordinator.ts'

/** A real Coordinator whose state a real TPM (in software) seals and anchors, under a host that puts back old copies. */

const manifest = {
  Packages: { app: { SignerID: 'a1'.repeat(32), ProductID: 1, SecurityVersion: 1 } },
  Marbles: { web: { Package: 'app' } },
}

async function statusOf({ clientPort }: TestCoordinator): Promise<{ code: number; message: string }> {
  const { text } = await get(clientPort, '/api/v2/status')
  const { data } = JSON.parse(text) as { data: { StatusCode?: number; code: number; message: string } }
  return data
}

async function setManifest({ clientPort }: TestCoordinator): Promise<void> {
  const body = JSON.stringify({ manifest: Buffer.from(JSON.stringify(manifest)).toString('base64') })
  const { status, text } = await get(clientPort, '/api/v2/manifest', { method: 'POST', body })
  assert.equal(status, 200, text)
}

void test(
  'an older copy of the seal directory is refused by a TPM’s counter',
  { skip: skipWithoutSwtpm },
  async (t) => {
    const machine = new SoftwareTpm(t)
    await machine.boot()
    const base = mkdtempSync(path.join(os.tmpdir(), 'taw-rollback-'))
    t.after(() => {
      rmSync(base, { recursive: true, force: true })
    })
    const [seal, former, older] = ['seal', 'former', 'older'].map((name) => path.join(base, name))
    assert.ok(seal !== undefined && former !== undefined && older !== undefined)
    const putBack = (copy: string): void => {
      rmSync(seal, { recursive: true })
      cpSync(copy, seal, { recursive: true })
    }
    const env = { TAW_SEALING: 'tpm', TAW_ROLLBACK_ANCHOR: 'tpm', TAW_TPM_TCTI: machine.tcti }
    await using coordinator = await TestCoordinator.start({ env, sealDirectory: seal })
    await setManifest(coordinator)
    assert.equal((await statusOf(coordinator)).code, 3)
    await coordinator.stop()
    cpSync(seal, older, { recursive: true })

    // Each life that answers a change makes what was before it old; here a new deployment is one.
    await coordinator.restart()
    assert.equal((await statusOf(coordinator)).code, 3, 'the newest copy opens')
    await coordinator.stop()
    rmSync(path.join(seal, 'sealed_key'))
    await coordinator.restart()
    assert.match((await statusOf(coordinator)).message, /sealed_key is missing/)
    await setManifest(coordinator)
    await coordinator.stop('SIGKILL')
    cpSync(seal, former, { recursive: true })

    putBack(older)
    await coordinator.restart()
    const { code, message } = await statusOf(coordinator)
    assert.equal(code, 1)
    assert.match(
      message,
      /the ledger bears \d+, but TPM counter 0x1807461 stands at \d+: an older ledger was put back/,
    )
    await coordinator.stop()

    putBack(former)
    await machine.boot()
    await coordinator.restart()
    assert.equal(
      (await statusOf(coordinator)).code,
      3,
      'the newest copy opens, also after a kill and a reboot',
    )
  },
)
