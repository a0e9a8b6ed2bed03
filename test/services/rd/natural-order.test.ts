import { expect, it } from 'vitest'
import { naturalKey } from '#main/services/rd/natural-order.ts'

it('numbers in names go by their value, letters by the alphabet whatever their case', () => {
  const names = ['', '1', '2', '10', 'lamp', 'Lamp-1', 'lamp-02', 'lamp-2a', 'LAMP-3', 'lamp-10', 'lamp-10-9', 'lamp-10-10', 'lamq', 'ö']
  const keyed = names.map((name) => ({ name, key: naturalKey(name) })).reverse()
  expect(keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ name }) => name)).toEqual(names)
  expect(naturalKey('Lamp-002')).toBe(naturalKey('lamp-2'))
  expect(naturalKey(`x${'9'.repeat(20)}`)).toBe(`x${'9'.repeat(20)}`)
})
