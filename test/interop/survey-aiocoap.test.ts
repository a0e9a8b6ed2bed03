// Drift and what is there at a device of aiocoap: its group table is observed (RFC 7641), its group resources are found by the queries of
// groupcomm-bis Appendix C. GROUPWRIGHT_AIOCOAP_PYTHON names an interpreter that has it.
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { SocketAddress } from '#main/base/index.ts'
import { createCore, type Core } from '#main/core.ts'
import { testOptions } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { describeWithPeer, startReady } from '../support/peers.ts'
import { freePort } from './our-server.ts'

const PYTHON = [process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? 'a Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']
const PATIENT = 120_000
const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }

async function siteWith(python: string): Promise<{ readonly core: Core; readonly at: SocketAddress; readonly id: string }> {
  const at = { address: '::1', port: await freePort('::1') }
  const peer = await startReady(python, [join(import.meta.dirname, 'aiocoap/group_device.py'), at.address, String(at.port)])
  const core = createCore(testOptions(temporaryFolder()))
  onTestFinished(async () => {
    await core.close()
    await peer.stop()
  })
  await core.createSite({ kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const { discovery, inventory, network } = core.site()
  const { channelId } = network.channels()[0]!.client
  discovery.registrationArrived({ endpointName: 'py', base: `coap://[::1]:${at.port}`, links: '', channelId, source: at })
  await expect.poll(() => inventory.byEndpointName('py')?.profileId, { timeout: 60_000, interval: 500 }).toBe('groupwright-demo')
  return { core, at, id: inventory.byEndpointName('py')!.id }
}

describeWithPeer('a device of aiocoap', PYTHON, (python) => {
  it(
    'is read and adopted; then its table is observed, and what another hand changes is found without polling for it',
    async () => {
      const { core, at, id } = await siteWith(python)
      const { survey, network, groups } = core.site()
      survey.read({ servers: true, directory: false, tables: true, directories: [], types: [] })
      await survey.idle()
      const { rows } = survey.foundPage({ offset: 0, limit: 10 })
      // aiocoap answers the filters of RFC 6690 §4.1 itself; its links are relative, the table alone tells the address.
      expect(rows.map(({ name, verdict, address, sources }) => [name, verdict, address, [...sources].sort()])).toEqual([
        ['hall', 'new', 'ff35:30:fd00::1:5', ['table']],
        ['other', 'no-address', null, ['server']],
      ])
      expect(survey.adopt()).toEqual({ groups: 1, memberships: 1, planned: 0, strangers: 0 })
      expect(groups.planFeed.size).toBe(0)
      survey.setWatch({ on: true, readsPerMinute: 60 })
      await expect.poll(() => core.feeds.drift.get(id)?.watch, { timeout: 60_000, interval: 500 }).toBe('observe')
      const client = network.channels()[0]!.client
      await client.request(at, { method: 'PUT', path: ['table'], payload: new TextEncoder().encode('[]') })
      await expect
        .poll(() => core.feeds.drift.get(id)?.findings.map(({ kind }) => kind), { timeout: 60_000, interval: 500 })
        .toEqual(['reset', 'missing'])
      expect(core.feeds.drift.get(id)).toMatchObject({ means: 'observe', entries: 0 })
      survey.setWatch({ on: false })
      await expect.poll(() => core.feeds.survey.get('survey')?.observing, { timeout: 60_000, interval: 500 }).toBe(0)
    },
    PATIENT,
  )
})
