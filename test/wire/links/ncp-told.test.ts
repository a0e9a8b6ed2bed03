// What an NCP tells by itself: tables, odd values, and words for the log that may hold keys.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLogger, fromHex, utf8 } from '#main/base/index.ts'
import { encodeHdlc, encodeSpinelFrame, pack, PROP, propertyFrame, type PropertyVerb } from '#main/wire/links/index.ts'
import { attached } from './ncp-setup.ts'

describe('What is told', () => {
  it('has children and neighbours as they come and go', async () => {
    const { link, ncp } = await attached()
    const child = fromHex('1aa4e1abe274987701bcf0000000000000009403ec0bec')!
    const neighbor = fromHex('1b001aa4e1abe274987701bc0200000003ec0b010000000001000000ec')!
    const seen: number[] = []
    link.watchStatus(({ children }) => seen.push(children.length))
    ncp.unsolicited('inserted', PROP.THREAD_CHILD_TABLE.number, child)
    ncp.unsolicited('inserted', PROP.THREAD_CHILD_TABLE.number, child)
    ncp.unsolicited('inserted', PROP.THREAD_NEIGHBOR_TABLE.number, neighbor)
    expect(link.status.children).toMatchObject([{ eui64: '1aa4e1abe2749877', rloc16: 0xbc01, timeoutS: 240, averageRssiDbm: -20 }])
    expect(link.status.neighbors).toMatchObject([{ isChild: true, lastRssiDbm: -20 }])
    ncp.unsolicited('removed', PROP.THREAD_CHILD_TABLE.number, child)
    expect(link.status.children).toEqual([])
    expect(seen).toEqual([1, 1, 1, 0])
  })

  it('survives values of a firmware from another age', async () => {
    const { link, ncp } = await attached()
    for (const property of Object.values(PROP)) {
      for (const verb of ['is', 'inserted', 'removed'] as const) {
        if (property.number !== 0) ncp.unsolicited(verb, property.number, Uint8Array.of(1))
      }
    }
    expect(link.status.firmware).toBeDefined()
  })

  it('never has key material in the log: neither what the dongle echoes nor what it pushes', async () => {
    const lines: string[] = []
    const { link, ncp, clock } = await attached(createLogger({ level: 'debug', destination: { write: (line) => lines.push(line) } }))
    const key = '00112233445566778899aabbccddeeff'
    const spaced = key.match(/../g)!.join(' ').toUpperCase()
    ncp.unsolicited('is', PROP.STREAM_DEBUG.number, utf8('Framing error 6: ['))
    ncp.unsolicited('is', PROP.STREAM_DEBUG.number, utf8(`81 03 46 ${spaced} 6C ED]\n`))
    ncp.unsolicited('is', PROP.STREAM_DEBUG.number, utf8(`key=${key} set\nplain words\n`))
    ncp.unsolicited('is', PROP.STREAM_LOG.number, pack(PROP.STREAM_LOG.type, { line: `Mle: ${spaced}`, metadata: new Uint8Array(9) }))
    ncp.unsolicited('is', PROP.NET_NETWORK_KEY.number, fromHex(key)!)
    await clock.advance(1)
    const log = lines.join('')
    expect(log).toContain('plain words')
    expect(log).toContain('Framing error 6')
    expect(log.toLowerCase().replace(/[^0-9a-f]/g, '')).not.toContain(key)
    expect(log.toLowerCase()).not.toContain('00 11 22')
    expect(JSON.stringify(link.status)).not.toContain(key)
  })

  it('may be anything, sound or not: the link takes it, and can be stopped', async () => {
    const numbers = Object.values(PROP).map(({ number }) => number)
    const verb = fc.constantFrom<PropertyVerb>('is', 'inserted', 'removed', 'get', 'set')
    const frame = fc
      .record({
        tid: fc.integer({ min: 0, max: 15 }),
        verb,
        property: fc.oneof(fc.constantFrom(...numbers), fc.nat(0x1fff)),
        value: fc.uint8Array({ maxLength: 60 }),
      })
      .map(({ tid, ...message }) => encodeHdlc(encodeSpinelFrame(propertyFrame(tid, message))))
    const noise = fc.uint8Array({ maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(frame, frame, noise), { minLength: 20, maxLength: 60 }), async (pieces) => {
        const { link, line, clock } = await attached()
        for (const piece of pieces) {
          line.receive(piece)
          await clock.advance(20)
        }
        await clock.advance(30_000)
        expect(clock.pendingTimers).toBeLessThan(20)
        await clock.until(link.stop())
        expect(clock.pendingTimers).toBeLessThanOrEqual(1)
      }),
      { numRuns: 60 },
    )
  })
})
