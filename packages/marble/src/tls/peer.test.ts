import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  issue,
  issueMarble,
  makeFakeAuthority,
  predefinedVariables,
} from '../../../../tests/support/fake-authority.ts'
import { MarbleError } from '../errors.ts'
import { makeIdentity } from '../identity/identity.ts'
import { parseMarbleNames } from '../identity/names.ts'
import { credentialsFromEnvironment } from './credentials.ts'
import { marbleOf, peerMarble, requireMarbleCertificate } from './peer.ts'

const uuid = '6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'
const authority = makeFakeAuthority()
const { certificateRequest } = await makeIdentity(parseMarbleNames('localhost'), 'P-256', new Date())
const own = issueMarble(authority, certificateRequest, 'front end', uuid)
const credentials = credentialsFromEnvironment(predefinedVariables(authority, own))
const parse = ({ der }: { der: Uint8Array }): X509Certificate => new X509Certificate(der)

void test('type and UUID come out, whatever the type is called', () => {
  assert.deepEqual(marbleOf(parse(own), credentials), { marbleType: 'front end', uuid })
  for (const marbleType of ['', 'größe', 't'.repeat(300), 'a/b', '\uFEFFm']) {
    assert.deepEqual(
      marbleOf(parse(issueMarble(authority, certificateRequest, marbleType, uuid)), credentials),
      {
        marbleType,
        uuid,
      },
    )
  }
})

void test("a certificate that isn't a marble's is none", () => {
  const none = (certificate: { der: Uint8Array }, why: string): void => {
    assert.equal(marbleOf(parse(certificate), credentials), undefined, why)
  }
  const { marbleRoot } = authority
  none(issue({ commonName: uuid }, marbleRoot), 'a secret of the manifest')
  none(issue({ commonName: 'web', marbleTypes: ['m'] }, marbleRoot), 'no UUID')
  none(issue({ commonName: uuid, marbleTypes: ['m', 'n'] }, marbleRoot), 'two types')
  none(issue({ commonName: uuid, marbleTypes: ['m'], isCa: true }, marbleRoot), 'a CA')
  none(issue({ commonName: uuid, marbleTypes: ['m'] }, authority.root), 'signed by another key')
  none(issue({ commonName: uuid, marbleTypes: ['m'] }), 'signed by itself')
  none(
    issue({ commonName: uuid, marbleTypes: ['m'] }, makeFakeAuthority().marbleRoot),
    'of another deployment',
  )
  none(authority.marbleRoot, 'the root')
})

void test('a marble with a CA certificate cannot make marbles', () => {
  const secret = issue(
    { commonName: 'a CA that the manifest gives to a marble', isCa: true },
    authority.marbleRoot,
  )
  assert.equal(
    marbleOf(parse(issue({ commonName: uuid, marbleTypes: ['admin'] }, secret)), credentials),
    undefined,
  )
})

void test('only the named types are admitted', () => {
  assert.equal(requireMarbleCertificate(parse(own), credentials, ['a', 'front end']).marbleType, 'front end')
  for (const [certificate, types, says] of [
    [own, ['a', 'b'], /a marble of type "front end"; allowed are marbles of type "a", "b"/],
    [own, [], /"front end"/],
    [own, ['Front End'], /"front end"/],
    [issue({ commonName: uuid }, authority.marbleRoot), ['front end'], /it is no marble/],
  ] as const) {
    assert.throws(
      () => requireMarbleCertificate(parse(certificate), credentials, types),
      (error) =>
        error instanceof MarbleError && error.code === 'peer_unauthorized' && says.test(error.message),
    )
  }
})

void test('a connection that was not verified tells nothing', () => {
  const socket = (more: object): PassThrough => Object.assign(new PassThrough(), more)
  const getPeerCertificate = (): object => ({ raw: Buffer.from(own.der) })
  assert.equal(
    peerMarble(socket({ authorized: true, getPeerCertificate }), credentials)?.marbleType,
    'front end',
  )
  for (const more of [
    { authorized: false, getPeerCertificate },
    { authorized: 'yes', getPeerCertificate },
    { getPeerCertificate },
    { authorized: true, getPeerCertificate: () => ({}) },
    {},
  ]) {
    assert.throws(() => peerMarble(socket(more), credentials), /no verified certificate/)
  }
})

void test('a changed certificate is never a marble', () => {
  const der = Buffer.from(own.der)
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (position, change) => {
      const changed = Buffer.from(der)
      changed[position] = (changed[position] ?? 0) ^ change
      let certificate
      try {
        certificate = new X509Certificate(changed)
      } catch {
        return
      }
      assert.equal(marbleOf(certificate, credentials), undefined)
    }),
    { numRuns: 300 },
  )
})
