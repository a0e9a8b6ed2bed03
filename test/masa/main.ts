// The test MASA: makes a maker with devices in a folder and serves their vouchers on loopback, so that joining runs without the internet.
//   node test/masa/main.ts --folder DIR [--port N] [--pledges N] [--ownership anyone|first|sales] [--owner HEX]…
// Writes maker.pem (anchor for devices and vouchers), tls.pem (anchor for this server) and pledge-N.{key,chain}.pem, and takes what is there
// already. Pledges name the server of their first start: give a port to meet them again. Prints one line of JSON once it listens, and one for
// each answer. Ends with SIGTERM or when its input ends.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '#main/base/index.ts'
import { createDeviceList, createMasa } from '#main/services/join/index.ts'
import { chainPem, keyPem, loadParty, makeParty, makerOf, type Party } from './pki.ts'
import { loopbackTls, startMasaServer } from './server.ts'

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    port: { type: 'string', default: '0' },
    pledges: { type: 'string', default: '3' },
    ownership: { type: 'string', default: 'first' },
    owner: { type: 'string', multiple: true, default: [] },
  },
})
const ownership = (['anyone', 'first', 'sales'] as const).find((known) => known === values.ownership)
if (values.folder === undefined || ownership === undefined) {
  console.error('usage: node test/masa/main.ts --folder DIR [--port N] [--pledges N] [--ownership anyone|first|sales] [--owner HEX]…')
  process.exit(2)
}
const { folder } = values
mkdirSync(folder, { recursive: true })

const authority = kept('tls-root', () => makeParty({ name: 'CN=Test TLS root', isAuthority: true }))
const devices = createDeviceList([])
const maker = makerOf(
  kept('maker-root', () => makeParty({ name: 'CN=Test Maker root', isAuthority: true })),
  (root) => kept('maker-signer', () => makeParty({ name: 'CN=Test Maker MASA', issuer: root })),
)
const masa = createMasa({
  key: maker.signer.key,
  chain: maker.signer.chain,
  deviceAnchors: [maker.root.certificate],
  devices,
  ownership,
  clock: systemClock,
})
const say = (line: Readonly<Record<string, unknown>>): void => console.log(JSON.stringify(line))
const server = await startMasaServer({
  masa,
  tls: loopbackTls(authority),
  port: Number(values.port),
  onAnswer: (operation, status, showedCertificate) => say({ operation, status, showedCertificate }),
})

writeFileSync(join(folder, 'maker.pem'), chainPem([maker.root.certificate]))
writeFileSync(join(folder, 'tls.pem'), chainPem([authority.certificate]))
const serialNumbers = Array.from({ length: Number(values.pledges) }, (_, index) => `TM-${String(index + 1).padStart(4, '0')}`)
for (const [index, serialNumber] of serialNumbers.entries()) {
  const [owner] = values.owner
  devices.add(owner === undefined ? { serialNumber } : { serialNumber, owner })
  kept(`pledge-${index + 1}`, () => maker.pledge(serialNumber, {}, server.url))
}
say({ url: server.url, folder, serialNumbers })

/** The party of an earlier start in that folder, or a new one, kept for the next. */
function kept(name: string, make: () => Party): Party {
  const [keyFile, chainFile] = [join(folder, `${name}.key.pem`), join(folder, `${name}.chain.pem`)]
  if (existsSync(keyFile)) return loadParty(readFileSync(keyFile, 'utf8'), readFileSync(chainFile, 'utf8'))
  const party = make()
  writeFileSync(chainFile, chainPem(party.chain))
  writeFileSync(keyFile, keyPem(party.key), { mode: 0o600 })
  return party
}

const stop = (): void => {
  void server.close().then(() => process.exit(0))
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
process.stdin.on('end', stop).resume()
