import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TCB_LEVEL_STATUSES, convergeStatus } from './tcb-status.ts'

test('a part that is up to date changes nothing, a revoked one revokes, another one makes out of date', () => {
  const outdated: Record<string, string> = {
    UpToDate: 'OutOfDate',
    SWHardeningNeeded: 'OutOfDate',
    ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
    ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
    OutOfDate: 'OutOfDate',
    OutOfDateConfigurationNeeded: 'OutOfDateConfigurationNeeded',
    Revoked: 'Revoked',
  }
  for (const platform of TCB_LEVEL_STATUSES) {
    assert.equal(convergeStatus(platform, 'UpToDate'), platform)
    assert.equal(convergeStatus(platform, 'Revoked'), 'Revoked')
    assert.equal(convergeStatus(platform, 'OutOfDate'), outdated[platform])
  }
})
