// The trace: one datagram on its three layers, joined; nothing secret in it; bounded; as a file that Wireshark reads.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { traceDetailOf } from '#main/core/trace-view.ts'
import { siteDataset } from '#main/simulator/index.ts'
import { encodeMessage, type CoapMessage, type TraceEvent } from '#main/wire/coap/index.ts'
import type { TraceEntryRow, TraceLayer } from '#contract/model.ts'
import { linkBench } from './link-bench.ts'
import type { LinkBench } from './link-bench.ts'

async function all({ session }: Pick<LinkBench, 'session'>): Promise<readonly TraceEntryRow[]> {
  const rows: TraceEntryRow[] = []
  for (;;) {
    const page = await session.call('trace.page', { after: rows.at(-1)?.seq ?? 0, limit: 500 })
    rows.push(...page)
    if (page.length < 500) return rows
  }
}

async function heard(): Promise<LinkBench & { readonly id: string; readonly rows: readonly TraceEntryRow[] }> {
  const bench = await linkBench()
  const id = await bench.plugIn()
  await bench.session.call('discovery.start', { seconds: 2 })
  await bench.session.when('discovery', (row) => row.state === 'idle' && row.heard > 0)
  return { ...bench, id, rows: await all(bench) }
}

describe('the trace', () => {
  it('joins message, packet and frame of each datagram, both ways', async () => {
    const { rows, session, id } = await heard()
    for (const direction of ['sent', 'received'] as const) {
      const message = rows.find((row) => row.kind === 'message' && row.channel === id && row.direction === direction)
      expect(message?.datagram).toMatch(new RegExp(`^${id}#1\\.`))
      const same = rows.filter((row) => row.datagram === message?.datagram)
      expect(same.map(({ kind }) => kind).sort()).toEqual(['frame', 'message', 'packet'])
      const detail = await session.call('trace.detail', { seq: message!.seq })
      expect(detail.layers.map(({ name }) => name)).toEqual(['Spinel', 'IPv6', 'UDP', 'CoAP'])
      expect(detail.related.map(({ seq }) => seq)).toEqual(
        expect.arrayContaining(same.filter((row) => row.seq !== message?.seq).map(({ seq }) => seq)),
      )
    }
  })

  it('joins the messages of an exchange, and says what each is', async () => {
    const { rows, session, id } = await heard()
    const request = rows.find(
      (row) => row.kind === 'message' && row.channel === id && row.direction === 'sent' && row.label.includes('GET /dev'),
    )
    expect(request).toMatchObject({ label: 'CON GET /dev' })
    const { related, layers } = await session.call('trace.detail', { seq: request!.seq })
    expect(related).toContainEqual(
      expect.objectContaining({ kind: 'message', direction: 'received', label: expect.stringMatching(/^ACK 2\.05/) as unknown }),
    )
    expect(layers.at(-1)?.fields).toContainEqual({ name: 'uri-path', value: 'dev' })
    expect(rows.some((row) => row.note === 'multicast' && row.peer?.includes('ff03::fd'))).toBe(true)
  })

  it('holds no key, neither in a page nor in a file', async () => {
    const bench = await linkBench()
    const { session, program } = bench
    const id = await bench.plugIn()
    const dataset = siteDataset(7)
    await session.call('link.leave', { id })
    await session.call('link.attach', { id, dataset: toHex(dataset) }).catch(() => undefined)
    const rows = await all(bench)
    expect(rows.some((row) => row.note === 'redacted')).toBe(true)
    const key = toHex(new TextEncoder().encode('groupwright-0007'))
    expect(toHex(dataset)).toContain(key)
    for (const { seq } of rows) expect((await session.call('trace.detail', { seq })).hex).not.toContain(key)
    const { handle } = await session.call('trace.export', {})
    expect(toHex(readFileSync(program.exportPath(handle)!))).not.toContain(key)
  })

  it('stops, forgets and goes on when asked to', async () => {
    const bench = await heard()
    const { session } = bench
    await session.call('trace.record', { on: false })
    await session.call('trace.clear', {})
    await session.call('link.refresh', { id: bench.id })
    expect(await all(bench)).toEqual([])
    expect(session.rows('trace')).toMatchObject([{ recording: false, lastSeq: 0 }])
    await session.call('trace.record', { on: true })
    await session.call('link.refresh', { id: bench.id })
    expect((await all(bench)).length).toBeGreaterThan(0)
  })

  it('is a pcapng file whose packets tshark reads as they are told here', async (context) => {
    if (spawnSync('tshark', ['--version']).error !== undefined) {
      console.warn('skipped: tshark is not installed')
      context.skip()
    }
    const { session, program, rows, id } = await heard()
    const { handle } = await session.call('trace.export', {})
    const path = program.exportPath(handle)!
    const read = (...words: readonly string[]): string[] =>
      execFileSync('tshark', ['-r', path, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
        .split('\n')
        .filter((line) => line !== '')
    const mine = rows.filter((row) => row.channel === id)
    const packets = read('-Y', 'ipv6', '-T', 'fields', '-e', 'frame.len', '-e', 'udp.checksum.status', '-o', 'udp.check_checksum:TRUE')
    const told = mine.filter((row) => row.kind === 'packet')
    expect(packets.slice(0, told.length)).toEqual(told.map(({ bytes }) => `${bytes}\t1`))
    const frames = read('-Y', 'user_dlt', '-T', 'fields', '-e', 'frame.len')
    const shown = mine.filter((row) => row.kind === 'frame' && row.bytes > 0)
    expect(frames.slice(0, shown.length)).toEqual(shown.map(({ bytes }) => String(bytes)))
    expect(read('-Y', '_ws.malformed')).toEqual([])
  })
})

describe('a CMP message in one piece', () => {
  const payload = new Uint8Array(readFileSync(new URL('../vectors/cmp/openssl-3.0/rr-pbm/req-1.der', import.meta.url)))

  function layersOf(options: CoapMessage['options']): readonly TraceLayer[] {
    const message: CoapMessage = { type: 'CON', code: '0.02', messageId: 7, token: Uint8Array.of(1), options, payload }
    const at = { address: '::1', port: 5683 }
    const datagram = encodeMessage(message)
    const event: TraceEvent = {
      direction: 'sent',
      peer: at,
      local: at,
      atMs: 0,
      bytes: datagram.length,
      datagram,
      multicast: false,
      message,
      note: 'first',
    }
    const entry = { seq: 1, atMs: 0, channelId: 'udp', direction: 'sent', datagram: () => undefined, kind: 'message', event } as const
    return traceDetailOf(entry, [entry]).layers
  }

  it('is a layer of its own: what it is, who sends it, how it is protected', () => {
    const [, cmp] = layersOf([{ number: 12, value: Uint8Array.of(1, 3) }])
    expect(cmp?.name).toBe('CMP')
    expect(cmp?.fields).toContainEqual({ name: 'body', value: 'rr' })
    expect(cmp?.fields).toContainEqual({ name: 'protection', value: 'pbm' })
  })

  it('is no layer where it is a block of one, or something else', () => {
    expect(
      layersOf([
        { number: 12, value: Uint8Array.of(1, 3) },
        { number: 27, value: Uint8Array.of(0x0e) },
      ]),
    ).toHaveLength(1)
    expect(layersOf([{ number: 12, value: Uint8Array.of(60) }])).toHaveLength(1)
  })
})
