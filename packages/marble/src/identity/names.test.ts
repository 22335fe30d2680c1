import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { test } from 'node:test'

import fc from 'fast-check'

import { MarbleError } from '../errors.ts'
import { parseIpAddress, parseMarbleNames } from './names.ts'

const ip = (text: string): string => Buffer.from(parseIpAddress(text) ?? []).toString('hex')
const loopback = ['7f000001', '00000000000000000000000000000001']

function read(text: string | undefined): { dns: readonly string[]; ip: string[] } {
  const { dnsNames, ipAddresses } = parseMarbleNames(text)
  return { dns: dnsNames, ip: ipAddresses.map((octets) => Buffer.from(octets).toString('hex')) }
}

void test('names and addresses in their order, after loopback; localhost by default', () => {
  assert.deepEqual(read(undefined), { dns: ['localhost'], ip: loopback })
  assert.deepEqual(read(''), { dns: ['localhost'], ip: loopback })
  assert.deepEqual(read('a.example,10.0.0.5,b.example'), {
    dns: ['a.example', 'b.example'],
    ip: [...loopback, '0a000005'],
  })
  assert.deepEqual(read('10.0.0.5'), { dns: [], ip: [...loopback, '0a000005'] })
  assert.deepEqual(read('127.0.0.1'), { dns: [], ip: [...loopback, '7f000001'] })
})

void test('entries are taken as they are, without trimming', () => {
  assert.deepEqual(read('a, b').dns, ['a', ' b'])
  assert.deepEqual(read('a,').dns, ['a', ''])
  assert.deepEqual(read(' 10.0.0.5,010.0.0.5,fe80::1%eth0').dns, [' 10.0.0.5', '010.0.0.5', 'fe80::1%eth0'])
})

void test('a name outside ASCII is refused with the name', () => {
  assert.throws(
    () => parseMarbleNames('a,bücher.example'),
    (error) =>
      error instanceof MarbleError &&
      error.code === 'configuration_invalid' &&
      error.message.includes('bücher'),
  )
})

void test('IPv6 in all its spellings', () => {
  assert.equal(ip('::'), '00'.repeat(16))
  assert.equal(ip('2001:db8::1'), '20010db8000000000000000000000001')
  assert.equal(ip('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008')
  assert.equal(ip('1::'), `0001${'00'.repeat(14)}`)
  assert.equal(ip('64:ff9b::192.0.2.1'), '0064ff9b0000000000000000c0000201')
  assert.equal(ip('::ffff:10.0.0.1'), '0a000001')
  assert.equal(ip('::ffff:a00:1'), '0a000001')
})

void test('every address that Node.js takes for IPv6 gives the address that Node.js sees', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const octets = parseIpAddress(text)
      assert.ok(octets)
      const groups = Buffer.from(octets).toString('hex').match(/.{4}/g) ?? []
      const list = new BlockList()
      list.addAddress(text, 'ipv6')
      const rewritten = octets.length === 4 ? `::ffff:${octets.join('.')}` : groups.join(':')
      assert.ok(list.check(rewritten, 'ipv6'), `${text} became ${rewritten}`)
    }),
  )
})
