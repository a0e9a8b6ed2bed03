// A link with a scripted NCP, as it is and up in a network.
import { silentLogger, type Logger } from '#main/base/index.ts'
import { NcpLink, PROP, type PacketLinkEvent } from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { ScriptedNcp } from './scripted-ncp.ts'
import { TestLine } from './support.ts'

export const never = new AbortController().signal

export function setUp(logger: Logger = silentLogger) {
  const line = new TestLine()
  const clock = new VirtualClock()
  const ncp = new ScriptedNcp(line, clock)
  const link = new NcpLink({ line, id: 'dongle:1', clock, logger })
  const events: PacketLinkEvent[] = []
  link.subscribe((event) => events.push(event))
  const kinds = (): readonly string[] => events.map(({ kind }) => kind)
  return { line, clock, ncp, link, events, kinds }
}

/** A link that is up in the network that its dongle has kept. */
export async function attached(logger?: Logger) {
  const made = setUp(logger)
  made.ncp.set(PROP.NET_SAVED, true)
  await made.clock.until(made.link.start({ mayReset: true, signal: never }))
  await made.clock.advance(8_000)
  if (!made.link.up) throw new Error('the link did not come up')
  return made
}
