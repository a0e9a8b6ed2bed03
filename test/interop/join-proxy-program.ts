// A whole program whose site is a join proxy: `node join-proxy-program.ts FOLDER BIND MODE VERSION SEARCH REGISTRAR LINK`. It writes "ready" when it serves.
import { delay, systemClock } from '#main/base/index.ts'
import { joinProxyMode, joinProxyVersion, registrarSearch } from '#contract/model.ts'
import { testProgram } from '../support/program.ts'

const [folder = '', bindAddress = '', mode = '', version = '', search = '', registrar = '', link = ''] = process.argv.slice(2)
const { program, session } = testProgram(folder, { network: {} })
const details = { name: 'Proxy', organisation: '', address: '', operator: '' }
await session.call('site.create', { kind: 'network', details, network: { bindAddress, coapPort: 5683 } })
await session.call('joining.setProxy', {
  mode: joinProxyMode.parse(mode),
  version: joinProxyVersion.parse(version),
  search: search === 'none' ? ['coap'] : [registrarSearch.parse(search)],
  registrar: registrar === 'none' ? null : registrar,
  places: [`lan:${link}`],
})
const stateNow = (): string => session.rows('joining')[0]?.proxy.state ?? 'none'
while (stateNow() !== 'serving') await delay(systemClock, 500)
console.log('ready')
process.on('SIGTERM', () => void program.close().then(() => process.exit(0)))
