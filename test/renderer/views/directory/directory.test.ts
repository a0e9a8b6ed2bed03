// What the directory's views work out by themselves: lines of link-format, time that is left, addresses, choices of interfaces.
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import { registerAddress } from '../../../../src-renderer/lib/addresses.ts'
import { headAndTail } from '../../../../src-renderer/lib/text.ts'
import { timeLeft } from '../../../../src-renderer/lib/time.ts'
import { linesOfLinks, sortOf } from '../../../../src-renderer/views/directory/directory-columns.ts'
import { interfaceOptions } from '../../../../src-renderer/views/site/interface-options.ts'

describe('raw link-format', () => {
  it('stands one link to a line; commas and escaped quotes within values part nothing (RFC 6690 §2)', () => {
    expect(linesOfLinks('</a>;title="one, <two>",</b>;rt=x,</c>;title="say \\",<d>"')).toEqual([
      '</a>;title="one, <two>",',
      '</b>;rt=x,',
      '</c>;title="say \\",<d>"',
    ])
    expect(linesOfLinks('')).toEqual([])
  })

  it('loses nothing of any text', () => {
    fc.assert(fc.property(fc.string(), (text) => linesOfLinks(text).join('') === text))
  })
})

describe('sorting', () => {
  it('asks the core for what it can sort by, and for nothing else', () => {
    expect(sortOf({ id: 'expiresAt', desc: true })).toEqual({ sort: 'expiresAt', descending: true })
    expect(sortOf({ id: 'href', desc: true })).toEqual({ descending: false })
    expect(sortOf(null)).toEqual({ descending: false })
  })
})

describe('time that is left', () => {
  it.each([
    [-5, { clock: '00:00' }],
    [59, { clock: '00:59' }],
    [90_000, { clock: '25:00:00' }],
    [172_800, { days: 2, hours: 0 }],
    [270_001, { days: 3, hours: 3 }],
  ])('%i seconds', (seconds, words) => {
    expect(timeLeft(seconds)).toEqual(words)
  })
})

describe('addresses in narrow columns', () => {
  it('keep their ends, and lose nothing', () => {
    expect(headAndTail('coap://[fd00::ff:fe00:34]')).toEqual(['coap://[fd00:', ':ff:fe00:34]'])
    expect(headAndTail('::1')).toEqual(['', '::1'])
  })
})

describe('where to register', () => {
  it('is a URI of the registration resource, with brackets for IPv6', () => {
    expect(registerAddress({ scheme: 'coap', address: 'fd00::2', port: 5683 })).toBe('coap://[fd00::2]:5683/rd')
    expect(registerAddress({ scheme: 'coap', address: '192.0.2.1', port: 5700 })).toBe('coap://192.0.2.1:5700/rd')
  })
})

describe('interfaces to choose from', () => {
  const machine = [
    { name: 'eth0', address: '192.0.2.2', family: 'IPv4' as const, internal: false },
    { name: 'lo', address: '::1', family: 'IPv6' as const, internal: true },
  ]
  const t = (key: string): string => key

  it('have one’s own computer first', () => {
    expect(interfaceOptions(machine, '192.0.2.2', t).map(({ value, label }) => [value, label])).toEqual([
      ['::1', 'start.new.loopback · IPv6'],
      ['192.0.2.2', 'eth0 · IPv4'],
    ])
  })

  it('still show what the site wants where the machine has it no longer', () => {
    expect(interfaceOptions(machine, 'fd00::9', t).at(-1)).toEqual({ value: 'fd00::9', label: 'site.settings.gone', mono: 'fd00::9' })
    expect(interfaceOptions(machine, '::', t).at(-1)).toEqual({ value: '::', label: 'site.settings.any', mono: '::' })
  })
})
