import { test } from 'node:test'
import assert from 'node:assert/strict'
import { makeCoordinatorPki } from '../../../tests/support/coordinator-pki.ts'
import { parseCertificateChain } from './certificate-chain.ts'
import { ClientError } from './errors.ts'

const pki = makeCoordinatorPki()
const other = makeCoordinatorPki()
const damaged = pki.root.replace(/\n[A-Za-z0-9+/]{64}\n/, '\n')

test('a chain is the intermediate, then the self-signed root that signed it', () => {
  const chain = parseCertificateChain(pki.intermediate + pki.root, 'the test')
  assert.equal(chain.pem, pki.intermediate + pki.root)
  assert.equal(chain.rootPem, pki.root)
  assert.equal(chain.intermediatePem, pki.intermediate)
  const rootAlone = parseCertificateChain(pki.root, 'the test')
  assert.equal(rootAlone.intermediatePem, undefined)
  assert.ok(rootAlone.isRoot(chain.root.raw))
  assert.ok(!parseCertificateChain(other.root, 'the test').isRoot(chain.root.raw))
})

for (const [about, pem] of [
  ['nothing', ''],
  ['no PEM', 'certificates'],
  ['text besides', `${pki.root}and more`],
  ['a key', pki.rootKey + pki.root],
  ['the wrong order', pki.root + pki.intermediate],
  ['no root', pki.intermediate],
  ['a root of the same name that did not sign', pki.intermediate + other.root],
  ['a leaf as issuer', pki.leaf],
  ['damage', damaged],
  ['too many', pki.root.repeat(9)],
] as const) {
  test(`not a chain: ${about}`, () => {
    assert.throws(
      () => parseCertificateChain(pem, 'the test'),
      (error) =>
        error instanceof ClientError && error.code === 'chain_invalid' && error.message.includes('the test'),
    )
  })
}
