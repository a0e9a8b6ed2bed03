// What the dongle's page and the trace work out by themselves.
import { describe, expect, it } from 'vitest'
import * as fc from 'fast-check'
import { linkState, portVerdict } from '#contract/model.ts'
import type { LinkNeighbour, LinkRow, TraceEntryRow } from '#contract/model.ts'
import {
  bars,
  byStrength,
  hex,
  holdKey,
  inReach,
  isNetworkName,
  linkLooks,
  panIdOf,
  portName,
} from '../../../src-renderer/views/link/link-words.ts'
import { verdictLooks, verdictWords } from '../../../src-renderer/views/link/port-words.ts'
import { hexLines, matchesTrace } from '../../../src-renderer/views/trace/trace-filter.ts'

const radio = (eui64: string, rssiDbm: number | null, kind: LinkNeighbour['kind'] = 'child'): LinkNeighbour => ({
  kind,
  eui64,
  rloc16: 1,
  rssiDbm,
  lqi: null,
  ageS: null,
})

describe('a dongle', () => {
  it('has a look in every state, and a port in every verdict', () => {
    expect(linkState.options.filter((state) => !(state in linkLooks))).toEqual([])
    expect(portVerdict.options.map((each) => each.shape.kind.value).filter((kind) => !(kind in verdictLooks))).toEqual([])
  })

  it('is called by the last part of its port', () => {
    expect(['/dev/ttyACM0', 'COM7', 'tcp://192.0.2.7:6638'].map(portName)).toEqual(['ttyACM0', 'COM7', 'tcp://192.0.2.7:6638'])
  })

  it('needs a person where it is in no network, and time where it looks for its own', () => {
    const row = (state: LinkRow['state'], saved: boolean): LinkRow => ({ state, network: { saved } }) as unknown as LinkRow
    expect(holdKey(row('attaching', true))).toBe('attaching-saved')
    expect(holdKey(row('attaching', false))).toBe('attaching')
    expect(holdKey(row('up', true))).toBeNull()
    expect(holdKey(row('absent', false))).toBe('absent')
  })

  it('shows the strongest neighbours first and counts those that it hears itself', () => {
    const all = [radio('b', -80), radio('a', null, 'router'), radio('c', -40, 'parent')]
    expect(byStrength(all).map(({ eui64 }) => eui64)).toEqual(['c', 'b', 'a'])
    expect(inReach(all)).toBe(2)
  })

  it('shows more bars for a stronger signal', () => {
    fc.assert(fc.property(fc.integer({ min: -120, max: 0 }), fc.integer({ min: 0, max: 40 }), (dbm, more) => bars(dbm) <= bars(dbm + more)))
    expect([-100, -88, -78, -67, -55].map(bars)).toEqual([0, 1, 2, 3, 4])
  })
})

describe('a network to form', () => {
  it('takes a PAN id of up to four digits but ffff, or leaves it to chance', () => {
    expect(['', ' ', 'face', '0xFACE', 'fffe', 'ffff', '12345', 'g'].map(panIdOf)).toEqual([
      null,
      null,
      0xface,
      0xface,
      0xfffe,
      undefined,
      undefined,
      undefined,
    ])
    expect(hex(0xce, 4)).toBe('00ce')
  })

  it('takes a name of 1 to 16 bytes, counted as UTF-8', () => {
    expect(['', ' ', 'Hafen', 'ä'.repeat(8), 'ä'.repeat(9)].map(isNetworkName)).toEqual([false, false, true, true, false])
  })
})

describe('the verdict on a port', () => {
  const t = (key: string, params?: Record<string, unknown>): string => `${key}${params === undefined ? '' : JSON.stringify(params)}`
  it('names who has it, where the system tells', () => {
    expect(verdictWords({ kind: 'busy', by: null }, t)).toBe('link.verdict.busy')
    expect(verdictWords({ kind: 'busy', by: { pid: 7, program: 'minicom' } }, t)).toBe(
      'link.verdict.busy-by{"program":"minicom","pid":"7"}',
    )
  })
})

describe('the trace', () => {
  const row: TraceEntryRow = {
    seq: 1,
    at: 0,
    kind: 'message',
    channel: 'dongle:1',
    direction: 'sent',
    peer: '[fd00::5]:5683',
    bytes: 12,
    label: 'CON GET /dev',
    note: null,
    datagram: null,
    exchange: null,
  }
  it('shows what has all words, on the chosen layer', () => {
    expect(matchesTrace(row, 'all', 'get fd00::5')).toBe(true)
    expect(matchesTrace(row, 'message', '')).toBe(true)
    expect(matchesTrace(row, 'packet', '')).toBe(false)
    expect(matchesTrace(row, 'all', 'get fd00::6')).toBe(false)
  })

  it('shows all bytes, sixteen to a line', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = Buffer.from(bytes).toString('hex')
        expect(
          hexLines(text)
            .map((line) => line.slice(6).replaceAll(' ', ''))
            .join(''),
        ).toBe(text)
      }),
    )
  })
})
