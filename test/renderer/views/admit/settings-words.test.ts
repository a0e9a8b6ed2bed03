import { describe, expect, it } from 'vitest'
import type { JoiningRow, JoinProxySettings } from '#contract/model.ts'
import {
  isMasaUrl,
  isRegistrarUri,
  joiningTrouble,
  makerTone,
  placesToChoose,
  proxyChanges,
} from '../../../../src-renderer/views/admit/joining/settings/settings-words.ts'

const settings: JoinProxySettings = { mode: 'automatic', version: 'automatic', places: ['lan:eth0'], search: ['coap'], registrar: null }
const advertisement = { wanted: false, state: 'off', name: null, failure: null } as const
const row: JoiningRow = {
  key: 'joining',
  offline: false,
  makers: [],
  places: [],
  registrar: { joinPort: true, state: 'listening', failure: null, uris: [], advertisement },
  proxy: { settings, state: 'off', failure: null, registrars: [], ports: [], hidden: [] },
  vouchers: { kept: 0, ending: 0, lastRound: null },
  makerLogVersion: 0,
}

describe('the ways by which devices come in', () => {
  it('keep a chosen place that is away, so that saving does not lose it', () => {
    const place = { id: 'lan:eth0', kind: 'lan', name: 'eth0', linkLocal: 'fe80::1' } as const
    expect(placesToChoose([place], ['link:dongle-1'])).toEqual([
      { id: 'lan:eth0', name: 'eth0', linkLocal: 'fe80::1', isAway: false },
      { id: 'link:dongle-1', name: 'dongle-1', linkLocal: null, isAway: true },
    ])
    expect(placesToChoose([place], ['lan:eth0'])).toHaveLength(1)
  })

  it('send only what differs; the order of ticks is no difference', () => {
    expect(proxyChanges(settings, { ...settings })).toEqual({})
    expect(proxyChanges({ ...settings, search: ['coap', 'dns-sd'] }, { ...settings, search: ['dns-sd', 'coap'] })).toEqual({})
    expect(proxyChanges(settings, { ...settings, mode: 'off', places: [] })).toEqual({ mode: 'off', places: [] })
    expect(proxyChanges(settings, { ...settings, registrar: 'jpy://[fe80::1]:5685' })).toEqual({ registrar: 'jpy://[fe80::1]:5685' })
  })

  it.each(['', 'jpy://[2001:db8::1]:5685', 'coaps://registrar.example', 'coaps://[fe80::1%eth0]:5684', 'JPY://10.0.0.1:5685/'])(
    'take %j for the address of a registrar',
    (text) => expect(isRegistrarUri(text)).toBe(true),
  )

  it.each(['registrar', 'https://registrar.example', 'coap://[::1]', 'jpy://', 'jpy://2001:db8::1:5685', 'jpy://a b'])(
    'do not take %j for one',
    (text) => expect(isRegistrarUri(text)).toBe(false),
  )

  it('take a host or an https address for a voucher server', () => {
    expect(['', 'masa.example', 'masa.example:9443/x', 'https://masa.example/', 'https://[2001:db8::1]:443'].every(isMasaUrl)).toBe(true)
    expect(['http://masa.example', 'https://', 'two words', 'user@masa.example'].some(isMasaUrl)).toBe(false)
  })

  it('say what somebody has to see, the worst first', () => {
    expect(joiningTrouble(row)).toBeUndefined()
    expect(joiningTrouble({ ...row, offline: true })).toBe('offline')
    expect(joiningTrouble({ ...row, offline: true, vouchers: { ...row.vouchers, ending: 2 } })).toBe('vouchers-ending')
    expect(joiningTrouble({ ...row, offline: true, proxy: { ...row.proxy, state: 'failed' } })).toBe('proxy-failed')
    expect(joiningTrouble({ ...row, registrar: { ...row.registrar, state: 'failed' } })).toBe('registrar-failed')
  })

  it('tell a maker that was not asked from one that did not answer', () => {
    expect(makerTone({ lastAsked: null })).toBe('unknown')
    expect(makerTone({ lastAsked: { at: 1, ok: true, code: null } })).toBe('confirmed')
    expect(makerTone({ lastAsked: { at: 1, ok: false, code: 'voucher.masa-unreachable' } })).toBe('failed')
  })
})
