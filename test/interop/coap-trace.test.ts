// A trace of real exchanges as pcapng, read by Wireshark's tshark: every field as it went over the wire, and every checksum right.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { delay, systemClock, utf8, type SocketAddress } from '#main/base/index.ts'
import { pcapngFile, type TraceEvent } from '#main/wire/coap/index.ts'
import { parseAddress } from '#main/wire/ip/index.ts'
import { describeWithPeer, run } from '../support/peers.ts'
import { FAMILIES, ours, text } from './our-server.ts'

const FIELDS = [
  'ip.version',
  'ip.src',
  'ip.dst',
  'ipv6.src',
  'ipv6.dst',
  'udp.srcport',
  'udp.dstport',
  'coap.type',
  'coap.code',
  'coap.mid',
  'coap.token',
  'coap.opt.uri_path_recon',
  'coap.opt.block_number',
  'coap.payload_length',
  'frame.packet_flags_direction',
  'frame.comment',
] as const
type Field = (typeof FIELDS)[number]

describeWithPeer('tshark reads our traces', ['tshark'], (tshark) => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coap-trace-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function dissect(events: readonly TraceEvent[], port: number): Promise<Array<Record<Field, string>>> {
    const file = join(folder, 'trace.pcapng')
    await writeFile(file, pcapngFile(events, { addressBytes: parseAddress, interfaceName: 'udp:test' }))
    const checks = ['ip.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`])
    const common = ['-n', '-r', file, '-d', `udp.port==${port},coap`, ...checks]
    // Not `_ws.malformed`: older versions count options that they do not know, such as Request-Tag, as that.
    const good = '(udp.checksum.status == "Good") && (ipv6 || ip.checksum.status == "Good") && !_ws.short'
    const faulty = await run(tshark, [...common, '-Y', `!(${good})`])
    expect([faulty.exitCode, text(faulty.stdout)]).toEqual([0, ''])
    const output = await run(tshark, [...common, '-T', 'fields', '-E', 'separator=|', ...FIELDS.flatMap((field) => ['-e', field])])
    expect(output.exitCode, output.stderr).toBe(0)
    return text(output.stdout)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const values = line.split('|')
        return Object.fromEntries(FIELDS.map((field, index) => [field, values[index] ?? ''])) as Record<Field, string>
      })
  }

  it.each(FAMILIES)('%s: requests, responses, blocks, and who sent what', async (_, address) => {
    const events: TraceEvent[] = []
    const client = await ours(address, { onTrace: (event) => events.push(event) })
    const server = await ours(address)
    await client.endpoint.request(server.at, { method: 'GET', path: ['store', 'nothing'] })
    await client.endpoint.request(server.at, { method: 'PUT', path: ['store', 'a'], payload: new Uint8Array(3000).fill(65) })
    await client.endpoint.request(server.at, { method: 'GET', path: ['group'] }, { confirmable: false })
    await client.close()
    await server.close()
    const rows = await dissect(events, server.at.port)
    const [source, destination]: readonly Field[] = address === '::1' ? ['ipv6.src', 'ipv6.dst'] : ['ip.src', 'ip.dst']
    expect(rows).toHaveLength(events.length)
    expect(
      rows.map((row) => [
        row['coap.type'],
        row['coap.code'],
        row['coap.opt.uri_path_recon'],
        row['coap.opt.block_number'],
        row['coap.payload_length'],
      ]),
    ).toEqual([
      ['0', '1', '/store/nothing', '', ''],
      ['2', '132', '/store/nothing', '', ''],
      ['0', '3', '/store/a', '0', ''],
      ['2', '95', '/store/a', '0', ''],
      ['0', '3', '/store/a', '1', ''],
      ['2', '95', '/store/a', '1', ''],
      // The analyser has put the three blocks together.
      ['0', '3', '/store/a', '2', '3000'],
      ['2', '65', '/store/a', '2', ''],
      ['1', '1', '/group', '', ''],
      ['1', '69', '/group', '', '11'],
    ])
    for (const [index, row] of rows.entries()) {
      const { message, direction } = events[index]!
      const sent = direction === 'sent'
      const ports = [client.at.port, server.at.port].map(String)
      expect([row[source!], row[destination!]]).toEqual([address, address])
      expect([row['udp.srcport'], row['udp.dstport']]).toEqual(sent ? ports : ports.toReversed())
      expect([row['coap.mid'], row['coap.token']]).toEqual([String(message?.messageId), Buffer.from(message?.token ?? []).toString('hex')])
    }
  })

  it('shows retransmissions, duplicates and garbage for what they are', async () => {
    const events: TraceEvent[] = []
    const server = await ours('::1', { onTrace: (event) => events.push(event) })
    const client = await ours('::1')
    const ping = Uint8Array.of(0x40, 0, 0x12, 0x34)
    client.channel.send(ping, server.at)
    client.channel.send(ping, server.at)
    client.channel.send(utf8('no message'), server.at)
    for (let waited = 0; events.length < 5 && waited < 100; waited++) await delay(systemClock, 20)
    await client.close()
    await server.close()
    const rows = await dissect(events, server.at.port)
    expect(rows.map((row) => [row['coap.type'], row['coap.code'], row['coap.mid'], row['frame.comment']])).toEqual([
      ['0', '0', String(0x1234), ''],
      ['3', '0', String(0x1234), ''],
      ['0', '0', String(0x1234), 'again'],
      ['3', '0', String(0x1234), 'again'],
      ['2', '111', String(0x206d), 'malformed'],
    ])
  })

  it('gives a group request its group and each response its own source', async () => {
    const local: SocketAddress = { address: 'fe80::1', port: 5683, zone: 'eth0' }
    const events: TraceEvent[] = []
    const client = await ours('::1', { onTrace: (event) => events.push(event) })
    await client.endpoint.request(client.at, { method: 'GET', path: ['group'] })
    await client.close()
    const [request, response] = [events[0]!, events.at(-1)!]
    const rows = await dissect(
      [
        { ...request, local, peer: { address: 'ff02::fd', port: 5683, zone: 'eth0' }, multicast: true },
        { ...response, local, peer: { address: 'fe80::2', port: 49_152, zone: 'eth0' } },
        { ...response, local: { address: '::', port: 5683 }, peer: { address: '192.0.2.7', port: 5683 } },
      ],
      5683,
    )
    expect(rows.map((row) => [row['ipv6.src'], row['ipv6.dst'], row['ip.src'], row['ip.dst']])).toEqual([
      ['fe80::1', 'ff02::fd', '', ''],
      ['fe80::2', 'fe80::1', '', ''],
      ['', '', '192.0.2.7', '0.0.0.0'],
    ])
  })
})
