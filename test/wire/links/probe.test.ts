import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { probeLine, SPINEL_PROBE, type ProbeResult } from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf, recording, TestLine, type Recorded } from './support.ts'

/** The four dongles of the recording: what each one said to each question, and what it said by itself. */
function recordedDongles(): ReadonlyMap<string, readonly Recorded[]> {
  const dongles = new Map<string, Recorded[]>()
  let current: Recorded[] = []
  for (const entry of recording('probe-order-all-firmwares')) {
    const kind = /^dongle kind: (\w+)$/.exec(entry.note)?.[1]
    if (kind !== undefined) dongles.set(kind, (current = []))
    else current.push(entry)
  }
  return dongles
}

interface Outcome {
  readonly result: ProbeResult
  readonly written: readonly string[]
  readonly tookMs: number
}

async function probed(prepare: (line: TestLine, clock: VirtualClock) => void): Promise<Outcome> {
  const clock = new VirtualClock()
  const line = new TestLine()
  prepare(line, clock)
  const result = await clock.until(probeLine(line, { clock }))
  return { result, written: line.written, tookMs: clock.monotonicMs() }
}

/** Answers each question with what the real dongle answered to the same bytes; what it said unasked comes at its time. */
function replay(entries: readonly Recorded[]) {
  return (line: TestLine, clock: VirtualClock): void => {
    const answers = new Map<string, Uint8Array[]>()
    for (const [index, entry] of entries.entries()) {
      if (entry.dir !== 'host>dongle') continue
      const next = entries[index + 1]
      const answered = next?.dir === 'dongle>host' && next.t - entry.t < 50
      answers.set(entry.hex, [...(answers.get(entry.hex) ?? []), answered ? bytesOf(next.hex) : new Uint8Array()])
    }
    for (const entry of entries) if (entry.hex.endsWith('c03f50c0')) clock.setTimer(200 + entry.t, () => line.receive(entry.hex))
    line.onWrite = (bytes) => {
      const answer = answers.get(toHex(bytes))?.shift()
      if (answer !== undefined && answer.length > 0) clock.setTimer(2, () => line.receive(answer))
    }
  }
}

describe('telling firmware apart, by the recorded answers of real ones', () => {
  const dongles = recordedDongles()
  const of = (kind: string): readonly Recorded[] => dongles.get(kind) ?? []

  it('knows an NCP by its first answer and asks nothing more', async () => {
    const { result, written, tookMs } = await probed(replay(of('spinel')))
    expect(result).toMatchObject({ firmware: 'spinel-ncp', heard: '' })
    expect(result.capabilities).toContain(0x20)
    expect(result.capabilities).toContain(526)
    expect(written).toEqual(['7e7e83020559417e'])
    expect(tookMs).toBe(202)
  })

  it('knows an RCP, which has a radio and no Thread stack', async () => {
    const { result, written } = await probed(replay(of('rcp')))
    expect(result.firmware).toBe('spinel-rcp')
    expect(result.capabilities).toEqual([5, 12, 24, 0x22, 513, 0x40, 0x41])
    expect(written.length).toBe(1)
  })

  it('knows the command line by its echo and its error', async () => {
    const { result, written } = await probed(replay(of('cli')))
    expect(result.firmware).toBe('openthread-cli')
    expect(result.heard).toContain('Error 35: InvalidCommand')
    expect(written).toEqual(['7e7e83020559417e', '0d0a'])
  })

  it('knows a SLIP router by its question for a prefix, and asks its name', async () => {
    const { result, written } = await probed(replay(of('slip')))
    expect(result).toMatchObject({ firmware: 'slip-router', eui64: '00124b0000000001' })
    expect(written).toEqual(['7e7e83020559417e', 'c03f4dc0'])
  })

  it('knows a SLIP router that has its prefix and says nothing by itself', async () => {
    const { result, written } = await probed((line) => {
      line.onWrite = (bytes) => {
        if (toHex(bytes) === 'c03f4dc0') line.receive('c0214d30303132346230303030303030303031c0')
      }
    })
    expect(result).toMatchObject({ firmware: 'slip-router', eui64: '00124b0000000001' })
    expect(written).toEqual(['7e7e83020559417e', '7e7e83020559417e', 'c03f4dc0'])
  })

  it('knows an RCP from the CAPS of another recording', async () => {
    const caps = recording('../spinel/spinel-30-rcp-probe').find((entry) => /^7e8.0605/.test(entry.hex))
    const { result } = await probed((line) => {
      line.onWrite = () => line.receive(caps?.hex ?? '')
    })
    expect(result.firmware).toBe('spinel-rcp')
  })

  it('knows the command line of another recording', async () => {
    const crlf = recording('spinel-31-cli-probe').find((entry) => entry.note.includes('Error 35'))
    const { result } = await probed((line) => {
      line.onWrite = (bytes) => line.receive(toHex(bytes) === '0d0a' ? (crlf?.hex ?? '') : bytes)
    })
    expect(result.firmware).toBe('openthread-cli')
  })
})

describe('telling firmware apart: the others', () => {
  it('takes eight raw bytes after !M for a slip-radio', async () => {
    const { result } = await probed((line) => {
      line.onWrite = (bytes) => {
        if (toHex(bytes) === 'c03f4dc0') line.receive('c0214d00124b0000000001c0')
      }
    })
    expect(result.firmware).toBe('slip-radio')
  })

  it('asks in the order that disturbs none, and gives up on silence after 2.7 s', async () => {
    const { result, written, tookMs } = await probed(() => undefined)
    expect(result).toEqual({ firmware: 'none', capabilities: [], eui64: undefined, heard: '' })
    const probe = toHex(SPINEL_PROBE)
    expect(written).toEqual([probe, probe, 'c03f4dc0', probe, '0d0a'])
    expect(tookMs).toBe(2_700)
  })

  it('asks an NCP once more after ?M when its first answers were lost', async () => {
    const { result } = await probed((line) => {
      line.onWrite = () => {
        if (line.written.length === 4) line.receive('7e830605050c182035360e8004880484048a048b04303180088308840885088e04d44c7e')
      }
    })
    expect(result.firmware).toBe('spinel-ncp')
  })

  it('does not believe a damaged answer', async () => {
    const { result } = await probed((line) => {
      line.onWrite = () => line.receive('7e830605050c182281044041e38e7e')
    })
    expect(result.firmware).toBe('none')
  })

  it('takes a loop-back plug for no command line', async () => {
    const { result } = await probed((line) => {
      line.onWrite = (bytes) => line.receive(bytes)
    })
    expect(result.firmware).toBe('none')
  })

  it('tells what it heard of a firmware that it does not know', async () => {
    const { result } = await probed((line, clock) => {
      clock.setTimer(50, () => line.receive(new TextEncoder().encode('\x1b[0mESP-ROM:esp32c6-20220919\r\n')))
    })
    expect(result.firmware).toBe('none')
    expect(result.heard).toContain('ESP-ROM:esp32c6')
  })

  it('stops when it is told to and when the line ends', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const probing = probeLine(new TestLine(), { clock, signal: stop.signal })
    clock.setTimer(300, () => stop.abort())
    await expect(clock.until(probing)).rejects.toThrow()
    expect(clock.monotonicMs()).toBe(300)
    const { result, tookMs } = await probed((line, ofProbe) => ofProbe.setTimer(250, () => line.end()))
    expect(result.firmware).toBe('none')
    expect(tookMs).toBe(250)
  })

  it('comes to a result whatever a dongle answers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), async (answers) => {
        const { result, tookMs } = await probed((line) => {
          line.onWrite = () => {
            const answer = answers[line.written.length - 1]
            if (answer !== undefined) line.receive(answer)
          }
        })
        expect(tookMs).toBeLessThanOrEqual(3_300)
        expect(result.heard.length).toBeLessThanOrEqual(200)
      }),
      { numRuns: 50 },
    )
  })
})
