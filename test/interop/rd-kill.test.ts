// kill -9 under load: every registration that was acknowledged is there afterwards, under the same location.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock, systemRandom, utf8, utf8ToText } from '#main/base/index.ts'
import { CoapEndpoint, locationOf, parseLinkFormat } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { temporaryFolder } from '../support/site-file.ts'

const WINDOW = 16
const KILLS = 4

it('loses nothing that it acknowledged, at any of several kill points', async () => {
  const file = join(temporaryFolder(), 'rd.sqlite')
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  // The window is this test's own: it must not be held back by NSTART.
  const endpoint = new CoapEndpoint({
    channel,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    parameters: { nstart: WINDOW },
  })
  onTestFinished(async () => {
    endpoint.close()
    await channel.close()
  })
  const killAfter = seededRandom(5)
  /** Locations by endpoint name, as they were acknowledged. */
  const acknowledged = new Map<string, string>()
  let next = 0

  for (let round = 0; round <= KILLS; round++) {
    const server = spawn(process.execPath, [join(import.meta.dirname, 'rd-server.ts'), file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(server, 'exit')
    const [port] = (await once(createInterface({ input: server.stdout }), 'line')) as [string]
    const to = { address: '::1', port: Number(port) }

    const found = await endpoint.request(to, { method: 'GET', path: ['rd-lookup', 'ep'] })
    const kept = new Map(
      parseLinkFormat(utf8ToText(found.payload) ?? '').map((link) => [
        link.attributes.find(({ name }) => name === 'ep')?.value ?? '',
        link.href,
      ]),
    )
    for (const [name, location] of acknowledged) expect(kept.get(name)).toBe(location)

    // The last start only looks at what the last kill left.
    const target = round === KILLS ? 0 : acknowledged.size + 40 + killAfter.below(100)
    const stop = new AbortController()
    const register = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const name = `node${next++}`
        const request = {
          method: 'POST',
          path: ['rd'],
          query: [`ep=${name}`],
          payload: utf8('</a>;rt=x,</b>;rt=y'),
          contentFormat: 40,
        } as const
        try {
          const response = await endpoint.request(to, request, { signal: stop.signal })
          if (response.code === '2.01') acknowledged.set(name, `/${locationOf(response.options)?.path.join('/') ?? ''}`)
        } catch {
          return
        }
        if (acknowledged.size >= target) {
          server.kill('SIGKILL')
          stop.abort()
        }
      }
    }
    await Promise.all(Array.from({ length: WINDOW }, register))
    await exited
  }
  expect(acknowledged.size).toBeGreaterThan(160)
})
