// A join proxy as a host of its own: `node join-proxy-node.ts MODE VERSION PLEDGE_LINK LINK_LOCAL UPLINK_DEVICE ROUTABLE`. It finds the registrar by itself,
// opens its join-port on the pledges' link, tells of it there, and writes "ready".
import { delay, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { announceJoinProxy, openJoinService } from '#main/services/join/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'

const [mode = '', version = '', link = '', linkLocal = '', device = '', routable = ''] = process.argv.slice(2)
const common = { clock: systemClock, random: systemRandom, logger: silentLogger }
const client = new CoapEndpoint({
  ...common,
  channel: await openUdpChannel({ bindAddress: routable, port: 0, logger: silentLogger, multicastInterface: device }),
})
const joins = openJoinService({
  ...common,
  openJoinPort: () => openUdpChannel({ bindAddress: `${linkLocal}%${link}`, port: 0, logger: silentLogger }),
  openUplink: () => openUdpChannel({ bindAddress: routable, port: 0, logger: silentLogger }),
  registrars: {
    search: {
      client,
      modes: [mode === 'stateful' ? 'stateful' : 'stateless'],
      versions: [version === '01' ? '01' : '20'],
      collectMs: 2000,
    },
    pauseMs: { least: 1000, longest: 5000 },
  },
})
const tree = new ResourceTree()
announceJoinProxy(tree, { joinPorts: () => joins.joinPorts(), linkLocal: () => linkLocal })
const coap = await openUdpChannel({ bindAddress: '::', port: 5683, logger: silentLogger, multicastInterface: link })
coap.joinGroup('ff02::fd')
const endpoint = new CoapEndpoint({ ...common, channel: coap, tree, parameters: { leisureMs: 500 } })
while (joins.joinPorts().length === 0) await delay(systemClock, 100)
console.log('ready')
// Timers of the clock keep no process alive; the sockets do.
process.on('SIGTERM', () => {
  endpoint.close()
  void joins.close().then(() => process.exit(0))
})
