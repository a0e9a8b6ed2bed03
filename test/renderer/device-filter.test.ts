import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeviceRow } from '#contract/model.ts'
import { compileFilter, parseFilter, withTerm } from '../../src-renderer/views/devices/device-filter.ts'
import type { FilterContext } from '../../src-renderer/views/devices/device-filter.ts'

const rooms: Readonly<Record<string, readonly string[]>> = { r1: ['North', 'Floor 2', '2.1'], r14: ['North', 'Floor 2', '2.14'] }
const context: FilterContext = {
  roomNames: (id) => (id === null ? [] : (rooms[id] ?? [])),
  groupNames: (id) => (id === 'a' ? ['2.14-light', 'All lights'] : []),
  word: (kind, value) =>
    kind === 'type' && value === 'luminaire' ? 'Leuchte' : kind === 'state' && value === 'verified' ? 'geprüft' : value,
}

function device(patch: Partial<DeviceRow>): DeviceRow {
  return {
    id: 'a',
    name: 'Ceiling light 7',
    type: 'luminaire',
    roomId: 'r14',
    state: 'verified',
    stateAt: 0,
    stateSource: 'test',
    eui64: '020000fffe00002a',
    serial: 'GW-24-00042',
    model: 'Demo Panel 600',
    profileId: null,
    endpointName: null,
    address: '[fd00::2a]:5683',
    lastHeardAt: null,
    groups: 2,
    comment: 'above the door',
    ...patch,
  }
}

const matches = (text: string, patch: Partial<DeviceRow> = {}): boolean => compileFilter(parseFilter(text), context)(device(patch))

describe('the device filter', () => {
  it('shows everything when it is empty', () => {
    expect(matches('')).toBe(true)
    expect(matches('   ')).toBe(true)
  })

  it('joins terms by "and"', () => {
    expect(matches('room:2.14 type:luminaire ceiling')).toBe(true)
    expect(matches('room:2.14 type:switch ceiling')).toBe(false)
  })

  it('joins values by "or"', () => {
    expect(matches('state:seen,verified')).toBe(true)
    expect(matches('state:seen,planned')).toBe(false)
  })

  it('turns a value or a term round with "!"', () => {
    expect(matches('state:!verified')).toBe(false)
    expect(matches('state:!seen')).toBe(true)
    expect(matches('!ceiling')).toBe(false)
    expect(matches('!state:!verified')).toBe(true)
  })

  it('takes a room by its whole name, so that 2.1 is not 2.14, and by what is around it', () => {
    expect(matches('room:2.1')).toBe(false)
    expect(matches('room:2.1', { roomId: 'r1' })).toBe(true)
    expect(matches('room:"floor 2"')).toBe(true)
    expect(matches('room:none', { roomId: null })).toBe(true)
    expect(matches('room:none')).toBe(false)
  })

  it('knows the words on the screen as well as those of the contract', () => {
    expect(matches('type:leuchte')).toBe(true)
    expect(matches('state:geprüft')).toBe(true)
    expect(matches('type:lumi')).toBe(true)
  })

  it('finds devices by their groups, or by having none', () => {
    expect(matches('group:"all li"')).toBe(true)
    expect(matches('group:none', { groups: 0 })).toBe(true)
    expect(matches('group:none')).toBe(false)
  })

  it('looks for free text in names, numbers, addresses, rooms and comments', () => {
    for (const text of ['00042', 'fd00::2a', 'FLOOR', 'door', 'panel']) expect(matches(text), text).toBe(true)
    expect(matches('window')).toBe(false)
  })

  it('takes an address with colons as text, not as an unknown field', () => {
    expect(parseFilter('fd00::2a')).toEqual([{ field: null, values: ['fd00::2a'], not: false }])
  })

  it('finds what is missing', () => {
    expect(matches('address:none', { address: null })).toBe(true)
    expect(matches('address:none')).toBe(false)
  })

  it('replaces and removes a term', () => {
    expect(withTerm('state:seen lamp', 'state', ['planned', 'two words'])).toBe('state:planned,"two words" lamp')
    expect(withTerm('state:seen lamp !state:faulty', 'state', [])).toBe('lamp')
  })

  it('reads any text without failing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const terms = parseFilter(text)
        expect(typeof compileFilter(terms, context)(device({}))).toBe('boolean')
        expect(terms.every((term) => term.values.length > 0)).toBe(true)
      }),
    )
  })
})
