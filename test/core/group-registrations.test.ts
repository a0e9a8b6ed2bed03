// The site's groups at its own directory, as any client finds them (RFC 9176 Appendix A).
import { expect, it, onTestFinished } from 'vitest'
import { silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { CoapEndpoint, lookUpGroupResources, lookUpGroups } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

it('are found by lookup, follow a change of name or address, go with the group, and are no devices', async () => {
  const { program, session } = testProgram(temporaryFolder())
  onTestFinished(() => program.close())
  const details = { name: 'Groups', organisation: '', address: '', operator: '' }
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const directory = { address: '::1', port: session.rows('session')[0]?.network.listening[0]?.port ?? 0 }
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const client = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  onTestFinished(async () => {
    client.close()
    await channel.close()
  })
  const found = async (): Promise<readonly string[]> =>
    (await lookUpGroups(client, directory)).map(({ name, coapGroup }) => `${name} ${coapGroup}`)

  const coap = await session.call('groups.createCoap', { name: 'hall', address: 'ff35:30:fd00::8000:1' })
  const { id } = await session.call('groups.createApplication', { name: 'hall-light', coapGroupId: coap.id })
  expect(await found()).toEqual(['hall-light [ff35:30:fd00::8000:1]'])
  expect(await lookUpGroupResources(client, directory)).toMatchObject([{ coapGroup: '[ff35:30:fd00::8000:1]', path: '/gp/hall-light' }])
  await session.call('groups.updateApplication', { id, patch: { name: 'lobby-light' } })
  expect(await found()).toEqual(['lobby-light [ff35:30:fd00::8000:1]'])
  await session.call('groups.updateCoap', { id: coap.id, patch: { address: 'ff35:30:fd00::8000:2' } })
  expect(await found()).toEqual(['lobby-light [ff35:30:fd00::8000:2]'])
  await session.call('groups.removeApplication', { id })
  expect(await found()).toEqual([])
  expect(session.rows('devices')).toEqual([])
})
