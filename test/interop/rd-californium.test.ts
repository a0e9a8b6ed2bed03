// Californium's client against the directory: discovery, registration, update, lookups, removal, also block by block.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { formatSocketAddress, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { describeWithPeer, run } from '../support/peers.ts'

const jars = process.env.GROUPWRIGHT_CALIFORNIUM_JARS ?? ''
const JAVA = [jars === '' ? 'Java with Californium (GROUPWRIGHT_CALIFORNIUM_JARS)' : 'java']

describeWithPeer('Californium and the directory', JAVA, (java) => {
  it('its client finds the directory, registers, is found, updates and removes', { timeout: 120_000 }, async () => {
    const classes = await mkdtemp(join(tmpdir(), 'californium-'))
    onTestFinished(() => rm(classes, { recursive: true }))
    const source = join(import.meta.dirname, 'californium/Registrant.java')
    const compiled = await run('javac', ['-cp', `${jars}/*`, '-d', classes, source], 60_000)
    expect(compiled.stderr).toBe('')

    const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
    const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
    const tree = new ResourceTree()
    const endpoint = new CoapEndpoint({ channel, tree, ...ports })
    const directory = createResourceDirectory({ store: new MemoryRegistrationStore(), registry: tree, ...ports })
    onTestFinished(async () => {
      directory.close()
      endpoint.close()
      await channel.close()
    })
    const origin = `coap://${formatSocketAddress(channel.local)}`
    const { stdout, stderr } = await run(
      java,
      ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*:${classes}`, 'Registrant', origin],
      60_000,
    )
    expect(new TextDecoder().decode(stdout).trim().split('\n'), stderr).toEqual([
      'discovery\t[/rd, /rd-lookup/ep, /rd-lookup/res]',
      'registration\t2.01\ttrue',
      'lookup\t[coap://node1.example/sensors/light]',
      'lookup of its name\ttrue',
      'update\t2.04',
      'lookup after it\t[coap://moved.example/sensors/temp]',
      'block by block\t2.01',
      'and back\t400',
      'removal\t2.02',
      'removal again\t4.04',
    ])
    expect(directory.list(0, 9).map(({ endpointName }) => endpointName)).toEqual(['big'])
  })
})
