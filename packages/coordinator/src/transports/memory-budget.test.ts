import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryBudget } from './memory-budget.ts'

/** Bodies by name, and the names of those that were refused, in order. */
function arrivals(maxBytes: number) {
  const refused: string[] = []
  const bodies = new MemoryBudget(maxBytes)
  return { refused, begin: (name: string) => bodies.begin(() => refused.push(name)) }
}

test('bodies that fit are left alone, whole ones free their bytes', () => {
  const { refused, begin } = arrivals(10)
  for (let count = 0; count < 5; count++) {
    const body = begin(`body ${count}`)
    body.add(5)
    body.add(5)
    body.end()
  }
  assert.deepEqual(refused, [])
})

test('beyond the limit the oldest are refused, until the rest fits', () => {
  const { refused, begin } = arrivals(10)
  const [first, second, third] = ['first', 'second', 'third'].map(begin)
  first?.add(4)
  second?.add(4)
  third?.add(7)
  assert.deepEqual(refused, ['first', 'second'])
  third?.add(3)
  assert.deepEqual(refused, ['first', 'second'])
})

test('a body that alone is over the limit is refused itself', () => {
  const { refused, begin } = arrivals(10)
  begin('large').add(11)
  assert.deepEqual(refused, ['large'])
})

test('bodies of which nothing came yet are not refused for others', () => {
  const { refused, begin } = arrivals(10)
  const empty = begin('empty')
  begin('large').add(8)
  begin('larger').add(9)
  assert.deepEqual(refused, ['large'])
  empty.add(2)
  assert.deepEqual(refused, ['large', 'empty'])
})

test('ending a body twice, or after it was refused, frees nothing twice', () => {
  const { refused, begin } = arrivals(10)
  const first = begin('first')
  first.add(10)
  const second = begin('second')
  second.add(10)
  first.end()
  first.end()
  second.end()
  second.end()
  const third = begin('third')
  third.add(10)
  const fourth = begin('fourth')
  fourth.add(1)
  assert.deepEqual(refused, ['first', 'third'])
})

test('what is kept can not be refused, and counts until it ends', () => {
  const { refused, begin } = arrivals(10)
  const kept = begin('kept')
  kept.add(8)
  kept.keep()
  begin('first').add(2)
  const second = begin('second')
  second.add(2)
  assert.deepEqual(refused, ['first'])
  begin('third').add(3)
  assert.deepEqual(refused, ['first', 'second', 'third'])
  kept.end()
  kept.end()
  kept.add(99)
  begin('fourth').add(10)
  assert.deepEqual(refused, ['first', 'second', 'third'])
})
