// A stock CoAP client registers a device at the running program; the device shows without anybody asking again.
import { expect, it, onTestFinished } from 'vitest'
import { COAP_CLIENT, describeWithPeer, run } from '../support/peers.ts'
import { serve } from '../support/cli.ts'
import { runWindow } from '../support/running-window.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { sessionOf } from '#main/hosts/cli/session.ts'

const LINKS = '</light>;rt="light";if="sensor"'

describeWithPeer('libcoap’s client at the running program', COAP_CLIENT, (coapClient) => {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

  it('registers a device at `groupwright serve`, and finds it by lookup', async () => {
    const home = temporaryFolder()
    const serving = await serve(home, '--site', 'office', '--demo', '5', '--coap-port', '0')
    onTestFinished(async () => {
      await serving.stop()
    })
    const at = serving.ready.listening.find((address) => address.channel === 'udp')
    const base = `coap://[${at?.address ?? ''}]:${at?.port ?? 0}`
    const registered = await run(coapClient, ['-m', 'post', '-t', '40', '-e', LINKS, '-v', '6', `${base}/rd?ep=my-lamp&lt=600`])
    expect(text(registered.stdout) + registered.stderr).toContain('c:2.01')
    const endpoints = await run(coapClient, [`${base}/rd-lookup/ep?ep=my-lamp`])
    expect(text(endpoints.stdout)).toContain('ep="my-lamp"')
    const resources = await run(coapClient, [`${base}/rd-lookup/res?rt=light`])
    expect(text(resources.stdout)).toMatch(/<coap:\/\/\[::1\]:\d+\/light>;rt="light"/)
    expect(await serving.stop()).toBe(0)
  })

  it('shows the registered device in the feed that the window follows', async () => {
    const running = await runWindow()
    onTestFinished(() => running.close())
    const session = sessionOf(running.program)
    const details = { name: 'Office', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    const appeared = session.when('devices', (device) => device.endpointName === 'my-lamp')
    const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
    await run(coapClient, ['-m', 'post', '-t', '40', '-e', LINKS, `coap://[::1]:${port}/rd?ep=my-lamp&lt=600`])
    const device = await appeared
    expect([device.state, device.stateSource, device.type]).toEqual(['seen', 'registration', 'unknown'])
    const detail = await session.call('devices.detail', { id: device.id })
    expect(detail.resources.map((resource) => resource.href)).toEqual(['/light'])
  })
})
