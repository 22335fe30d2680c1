import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { Manifest, RoleDefinition, UserDefinition } from '../manifest/model.ts'
import { firstCertificate, secondCertificate } from '../manifest/test-manifests.ts'
import {
  findUser,
  manifestUpdaters,
  mayUpdateManifest,
  missingPermissions,
  permits,
  type User,
} from './index.ts'

const first = new X509Certificate(firstCertificate).raw
const second = new X509Certificate(secondCertificate).raw

const roles = new Map<string, RoleDefinition>([
  ['reader', { resourceType: 'Secrets', resourceNames: ['a', 'b'], actions: ['ReadSecret'] }],
  ['writer', { resourceType: 'Secrets', resourceNames: ['b', 'c'], actions: ['WriteSecret'] }],
  ['packer', { resourceType: 'Packages', resourceNames: ['a'], actions: ['UpdateSecurityVersion'] }],
  ['owner', { resourceType: 'Manifest', resourceNames: [], actions: ['UpdateManifest'] }],
  ['nothing', { resourceType: 'Secrets', resourceNames: [], actions: ['ReadSecret'] }],
])

function manifest(users: Record<string, UserDefinition>): Manifest {
  return {
    packages: new Map(),
    infrastructures: new Map(),
    marbles: new Map(),
    secrets: new Map(),
    users: new Map(Object.entries(users)),
    roles,
    recoveryKeys: new Map(),
    tls: new Map(),
    config: {
      sealMode: 'ProductKey',
      featureGates: new Set(),
      updateThreshold: 0,
      recoveryThreshold: 0,
      rotateRootSecret: false,
      minimumCurve: undefined,
      collateral: {},
    },
  }
}

const userWith = (...names: string[]): User => {
  const user = findUser(manifest({ u: { certificate: first, roles: names } }), first)
  return user ?? assert.fail('no user')
}

test('a user is who shows the very certificate', () => {
  const both = manifest({
    u: { certificate: first, roles: [] },
    v: { certificate: second, roles: ['owner'] },
  })
  assert.equal(findUser(both, first)?.name, 'u')
  assert.equal(findUser(both, Uint8Array.from(second))?.name, 'v')
  const changed = Uint8Array.from(second)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  assert.equal(findUser(both, changed), undefined)
  assert.equal(findUser(both, new Uint8Array()), undefined)
  assert.equal(findUser(manifest({ u: { certificate: first, roles: [] } }), second), undefined)
})

test('roles add up, each action for itself', () => {
  const user = userWith('reader', 'writer', 'reader', 'unknown')
  assert.deepEqual(missingPermissions(user, 'ReadSecret', ['c', 'a', 'b', 'd']), ['c', 'd'])
  assert.deepEqual(missingPermissions(user, 'WriteSecret', ['a', 'b', 'c']), ['a'])
  assert.equal(permits(user, 'ReadSecret', 'a'), true)
  assert.equal(permits(user, 'WriteSecret', 'a'), false)
})

test('a right to packages is none to secrets or the manifest of the same name', () => {
  const user = userWith('packer')
  assert.equal(permits(user, 'UpdateSecurityVersion', 'a'), true)
  assert.equal(permits(user, 'ReadSecret', 'a'), false)
  assert.equal(mayUpdateManifest(user), false)
  assert.equal(permits(userWith('owner'), 'UpdateSecurityVersion', 'a'), false)
})

test('a role without names allows nothing, unless it is on the manifest', () => {
  assert.equal(permits(userWith('nothing'), 'ReadSecret', 'a'), false)
  assert.equal(mayUpdateManifest(userWith('nothing')), false)
  assert.equal(mayUpdateManifest(userWith('owner')), true)
})

test('who may update the manifest', () => {
  const three = manifest({
    u: { certificate: first, roles: ['owner', 'owner'] },
    v: { certificate: second, roles: ['reader', 'owner'] },
    w: { certificate: new Uint8Array(), roles: ['packer'] },
  })
  assert.deepEqual(manifestUpdaters(three), ['u', 'v'])
})
