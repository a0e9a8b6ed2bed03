// RFC 9176 §4.3 by multicast: the directory answers who looks for one, after a while, and nobody else (RFC 7252 §8.2, RFC 6690 §4.1).
import { expect, it } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { encodeMessage, OptionNumber, stringOption } from '#main/wire/coap/index.ts'
import { path, text } from '../../wire/coap/harness.ts'
import { asLinks } from './harness.ts'
import { rdNetwork } from './network.ts'

const GROUP = { address: 'ff02::fd', port: 5683 }

it.each([
  ['rt=core.rd*', ['/rd', '/rd-lookup/res', '/rd-lookup/ep']],
  ['rt=core.rd', ['/rd']],
  ['rt=core.rd-lookup*', ['/rd-lookup/res', '/rd-lookup/ep']],
  ['rt=core.ps', undefined],
])('a group request for %s is answered with %j', async (query, targets) => {
  const rd = rdNetwork()
  rd.channel.joinGroup(GROUP.address)
  const asker = rd.peer()
  asker.channel.send(
    encodeMessage({
      type: 'NON',
      code: '0.01',
      messageId: 7,
      token: utf8('t'),
      options: [...path('.well-known', 'core'), stringOption(OptionNumber.URI_QUERY, query)],
      payload: new Uint8Array(),
    }),
    GROUP,
  )
  await rd.clock.advance(1)
  expect(asker.take()).toEqual([])
  await rd.clock.advance(30_000)
  const answers = asker.take()
  if (targets === undefined) {
    expect(answers).toEqual([])
    return
  }
  expect(answers).toHaveLength(1)
  expect(answers[0]).toMatchObject({ type: 'NON', code: '2.05' })
  expect(asLinks(text(answers[0]!.payload)).map((link) => /<([^>]*)>/.exec(link)?.[1])).toEqual(targets)
})

it('a registration to the group is ignored: nobody makes all directories keep it', async () => {
  const rd = rdNetwork()
  rd.channel.joinGroup(GROUP.address)
  const asker = rd.peer()
  for (const segments of [['rd'], ['.well-known', 'rd'], ['rd-lookup', 'res']]) {
    asker.channel.send(
      encodeMessage({
        type: 'NON',
        code: segments.length === 2 && segments[0] === 'rd-lookup' ? '0.01' : '0.02',
        messageId: segments.length + (segments[0]?.length ?? 0),
        token: utf8('t'),
        options: [...path(...segments), stringOption(OptionNumber.URI_QUERY, 'ep=everywhere')],
        payload: new Uint8Array(),
      }),
      GROUP,
    )
  }
  await rd.clock.advance(30_000)
  expect(asker.take()).toEqual([])
  expect(rd.directory.size).toBe(0)
})
