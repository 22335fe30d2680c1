import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DerError } from './der-reader.ts'
import { element, sequence, setOf, tag } from './der.ts'
import { emptyName, encodeName, nameParts, parseName } from './name.ts'
import { attribute, encodeObjectIdentifier } from './object-identifier.ts'

const everything = {
  country: ['FR', 'DE'],
  organization: ['Org'],
  organizationalUnit: ['Unit'],
  locality: ['Bochum'],
  province: ['NRW'],
  streetAddress: ['Street 1'],
  postalCode: ['44801'],
  serialNumber: 'S-1',
  commonName: 'größe',
}

test('writes attributes in the recorded order, values of one kind sorted in one RDN', () => {
  const attributes = parseName(encodeName(everything), 'it', 'refuse')
  assert.deepEqual(
    attributes.map(({ dotted, value }) => `${dotted}=${value}`),
    [
      '2.5.4.6=DE',
      '2.5.4.6=FR',
      '2.5.4.8=NRW',
      '2.5.4.7=Bochum',
      '2.5.4.9=Street 1',
      '2.5.4.17=44801',
      '2.5.4.10=Org',
      '2.5.4.11=Unit',
      '2.5.4.3=größe',
      '2.5.4.5=S-1',
    ],
  )
  assert.deepEqual(nameParts(attributes), { ...everything, country: ['DE', 'FR'] })
})

test('takes PrintableString only where all characters allow it', () => {
  const type = (commonName: string): number | undefined => encodeName({ ...emptyName, commonName })[11]
  assert.equal(type("A-z 0'9()+,-./:=?"), tag.printableString)
  for (const text of ['a*b', 'a&b', 'a@b', 'a_b', 'ä', 'a\u0000'])
    assert.equal(type(text), tag.utf8String, text)
})

test('an extra attribute suppresses the ordinary one of its type and stands last', () => {
  const commonName = encodeObjectIdentifier([2n, 5n, 4n, 3n]) ?? new Uint8Array()
  const name = encodeName({ ...everything, country: [] }, [{ type: commonName, value: 'other' }])
  const attributes = parseName(name, 'it', 'refuse')
  assert.equal(attributes.filter(({ dotted }) => dotted === attribute.commonName.dotted).length, 1)
  assert.equal(attributes.at(-1)?.value, 'other')
})

test('no attribute gives an empty name', () => {
  assert.equal(Buffer.from(encodeName(emptyName)).toString('hex'), '3000')
})

test('of attributes that stand once in a certificate the last one counts', () => {
  const rdn = (text: string): Uint8Array =>
    setOf([sequence(attribute.commonName.encoding, element(tag.utf8String, Buffer.from(text)))])
  assert.equal(nameParts(parseName(sequence(rdn('one'), rdn('two')), 'it', 'refuse')).commonName, 'two')
})

test('decodes every string type, and refuses octets that do not fit it', () => {
  const read = (identifier: number, octets: string): string | undefined => {
    const value = element(identifier, Buffer.from(octets, 'latin1'))
    const name = sequence(setOf([sequence(attribute.locality.encoding, value)]))
    return parseName(name, 'it', 'refuse')[0]?.value
  }
  assert.equal(read(tag.t61String, 'K\xf6ln'), 'Köln')
  assert.equal(read(tag.bmpString, '\0K\0\xf6\0\0'), 'Kö')
  assert.equal(read(tag.utf8String, '\xef\xbb\xbfx'), '\uFEFFx')
  assert.equal(read(tag.printableString, '*.x&'), '*.x&')
  assert.equal(read(tag.numericString, '1 2'), '1 2')
  const misfits = [
    [tag.utf8String, '\xff'],
    [tag.printableString, 'a@b'],
    [tag.numericString, '1a'],
    [tag.ia5String, '\x80'],
    [tag.bmpString, 'abc'],
    [tag.bmpString, '\xd8\x00\xdc\x00'],
    [tag.integer, '\x01'],
  ] as const
  for (const [identifier, octets] of misfits) assert.throws(() => read(identifier, octets), DerError)
})
