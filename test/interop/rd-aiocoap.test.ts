// The directory over real UDP with aiocoap: its RD client registers, a node of its making registers simply, its client observes.
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { formatSocketAddress, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createResourceDirectory, type ResourceDirectory } from '#main/services/rd/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { describeWithPeer, run, startReady } from '../support/peers.ts'

const PYTHON = [process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? 'a Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']

/** A node with one sensor; arguments: the directory's origin, and how it registers. */
const NODE = `
import asyncio, sys, aiocoap
from aiocoap import resource
from aiocoap.resourcedirectory.client.register import Registerer

class Sensor(resource.Resource):
    def get_link_description(self):
        return {"rt": "temperature-c", "if": "sensor"}
    async def render_get(self, request):
        return aiocoap.Message(payload=b"21")

async def main():
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["sensors", "temp"], Sensor())
    context = await aiocoap.Context.create_server_context(site, bind=("::1", int(sys.argv[3])))
    if sys.argv[2] == "simple":
        def post(echo):
            message = aiocoap.Message(code=aiocoap.POST, uri=sys.argv[1] + "/.well-known/rd?ep=node&lt=600")
            if echo is not None:
                message.opt.echo = echo
            return context.request(message).response
        answer = await post(None)
        if answer.code == aiocoap.UNAUTHORIZED and answer.opt.echo is not None:
            print("challenged", flush=True)
            answer = await post(answer.opt.echo)
        print(answer.code, flush=True)
    else:
        Registerer(context, rd=sys.argv[1], lt=600, registration_parameters={"ep": "node"})
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()

asyncio.run(main())
`

describeWithPeer('aiocoap and the directory', PYTHON, (python) => {
  const closing: Array<() => void | Promise<void>> = []
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  async function open(): Promise<{ readonly directory: ResourceDirectory; readonly endpoint: CoapEndpoint; readonly origin: string }> {
    const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
    const ports = { clock: systemClock, random: systemRandom, logger: silentLogger }
    const tree = new ResourceTree()
    const endpoint = new CoapEndpoint({ channel, tree, ...ports })
    const simple = { clientOf: () => endpoint }
    const directory = createResourceDirectory({ store: new MemoryRegistrationStore(), registry: tree, simple, ...ports })
    closing.push(
      () => channel.close(),
      () => endpoint.close(),
      () => directory.close(),
    )
    return { directory, endpoint, origin: `coap://${formatSocketAddress(channel.local)}` }
  }

  async function startNode(origin: string, how: 'simple' | 'registerer'): Promise<number> {
    const probe = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
    const { port } = probe.local
    await probe.close()
    const node = await startReady(python, ['-c', NODE, origin, how, String(port)])
    closing.push(() => node.stop())
    return port
  }

  it('a node that knows Echo registers simply, and its links are found', async () => {
    const { directory, origin } = await open()
    const port = await startNode(origin, 'simple')
    const registration = directory.find('node')
    expect(registration).toMatchObject({ lifetimeS: 600, base: `coap://[::1]:${port}` })
    expect(registration?.links).toContain('</sensors/temp>')
    const { stderr } = await run(python, ['-m', 'aiocoap.cli.client', `coap://[::1]:${port}/sensors/temp`])
    expect(stderr).not.toContain('Error')
  })

  it('its RD client registers, and its observer of a lookup is told', async () => {
    const { directory, endpoint, origin } = await open()
    const observer = run(python, [join(import.meta.dirname, 'aiocoap/observe.py'), `${origin}/rd-lookup/res?rt=temperature-c`, '2'], 30_000)
    await expect.poll(() => endpoint.holdings().observers, { timeout: 20_000 }).toBe(1)
    const port = await startNode(origin, 'registerer')
    await expect.poll(() => directory.find('node')?.lifetimeS, { timeout: 10_000 }).toBe(600)
    const { stdout } = await observer
    const told = new TextDecoder().decode(stdout)
    expect(told.startsWith('\n')).toBe(true)
    expect(told).toContain(`<coap://[::1]:${port}/sensors/temp>`)
  })

  it('its client finds what its own test suite asks of a directory, and all operations', async () => {
    const { origin } = await open()
    const { stdout, stderr } = await run(python, [join(import.meta.dirname, 'aiocoap/rd_cases.py'), origin], 30_000)
    expect(new TextDecoder().decode(stdout).trim().split('\n'), stderr).toEqual([
      'discovery of core.rd\t1',
      'discovery of core.rd-lookup-ep\t1',
      'discovery of core.rd-lookup-res\t1',
      'registration\t2.01\tTrue',
      'registration again\t2.01\tTrue',
      'resource lookup\t2.05\t1\tTrue',
      'endpoint lookup\t2.05\t1\tTrue',
      'second page of one\t2.05\t1',
      'update\t2.04',
      'lookup after the update\tcoap://local.example/sensors/light',
      'reading\t2.05\tTrue',
      'no name\t4.00',
      'no links\t4.00',
      'removal\t2.02',
      'removal again\t4.04',
      'lookup of nothing\t2.05\t0',
    ])
  })
})
