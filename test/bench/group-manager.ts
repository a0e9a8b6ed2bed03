// New keys for a whole group: how long until every member has confirmed them, beside the bare encryption that this takes; joining, too. The store
// is a file on the disk, each confirmation is committed to it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aeadByCoseId, generateKeyPair, importAesKey, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { MemoryNetwork } from '#main/wire/ip/index.ts'
import { makeCcs, OscoreLayer, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import { GroupManager, GroupMemberClient, rolesOf } from '#main/services/group-manager/index.ts'
import { createGroupManagerStore, createSiteFile } from '#main/store/index.ts'
import { exampleSite } from '../support/site-file.ts'
import { sealerOf } from '../services/group-manager/harness.ts'
import type { BenchResult } from './types.ts'

const SIZES = [50, 200, 500]
const MANAGER = { address: '2001:db8::1', port: 5683 }
const MESSAGE_BYTES = 90
/** As lamps have them: they need nobody's credentials to join. */
const ROLES = rolesOf(['responder'])

export async function benchGroupManager(): Promise<readonly BenchResult[]> {
  // Timers of the system's clock do not keep a process alive.
  const alive = setInterval(() => undefined, 1000)
  const results: BenchResult[] = []
  for (const size of SIZES) results.push(...(await benchGroup(size)))
  clearInterval(alive)
  return results
}

async function benchGroup(size: number): Promise<readonly BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-bench-'))
  const site = createSiteFile(join(folder, 'site.gws'), exampleSite, { clock: systemClock, logger: silentLogger, appVersion: '0.1.0' })
  const network = new MemoryNetwork({ clock: systemClock, random: systemRandom, delayMs: { min: 0, max: 0 }, maxInFlight: 4096 })
  const own = endAt(network, MANAGER.address)
  const sequences = volatileSequences()
  const manager = new GroupManager({
    registry: own.tree,
    layer: own.layer,
    sequences,
    store: createGroupManagerStore(site.database),
    sealer: sealerOf(systemRandom.bytes(16), systemRandom),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    clientFor: () => own.endpoint,
    baseUri: () => 'coap://[2001:db8::1]',
  })
  manager.createGroup('g1', { active: true })
  const keys = generateKeyPair('Ed25519')
  const clients = Array.from({ length: size }, (_, index) => {
    const end = endAt(network, `2001:db8::2:${index.toString(16)}`)
    const masterSecret = systemRandom.bytes(16)
    const id = Uint8Array.of(1, index >> 8, index & 0xff)
    const ours = Uint8Array.of(2)
    own.layer.add(
      new UnicastContext({ name: `d${index}`, masterSecret, senderId: ours, recipientId: id }, { sequences, received: 'fresh' }),
    )
    const theirs = volatileSequences()
    end.layer.add(
      new UnicastContext({ name: 'manager', masterSecret, senderId: id, recipientId: ours }, { sequences: theirs, received: 'fresh' }),
    )
    manager.authorise({ identity: `d${index}`, groups: [{ group: 'g1', roles: ROLES }] })
    return new GroupMemberClient({
      client: end.endpoint,
      manager: MANAGER,
      managerContext: 'manager',
      layer: end.layer,
      groupName: 'g1',
      roles: ROLES,
      keysFor: () => ({ credential: makeCcs(keys.publicKey, { subject: `d${index}` }), privateKey: keys.privateKey }),
      control: { registry: end.tree, path: '/grp-rek' },
      clock: systemClock,
      random: systemRandom,
      sequences: theirs,
      logger: silentLogger,
      checkIntervalMs: 0,
    })
  })
  const joinStart = performance.now()
  for (const client of clients) await client.join()
  const joinMs = performance.now() - joinStart
  const rekeyStart = performance.now()
  const done = new Promise<void>((resolve) => {
    let left = size
    const off = manager.onEvent(({ kind }) => {
      if (kind === 'delivered') left--
      if (left > 0) return
      off()
      resolve()
    })
  })
  manager.rekeyNow('g1')
  await done
  const rekeyMs = performance.now() - rekeyStart
  manager.close()
  site.close()
  rmSync(folder, { recursive: true, force: true })
  const bareMs = bareCrypto(size)
  return [
    {
      area: 'groups',
      name: `rekeying ${size} members until all have confirmed, against the bare encryption`,
      value: rekeyMs,
      unit: 'ms',
      baseline: bareMs,
      ratio: rekeyMs / bareMs,
    },
    {
      area: 'groups',
      name: `joining, one after the other, with ${size} members`,
      value: (size * 1000) / joinMs,
      unit: '1/s',
      baseline: undefined,
      ratio: undefined,
    },
  ]
}

/** Of a request and its answer: sealed and opened once each, for every member. */
function bareCrypto(size: number): number {
  const aead = aeadByCoseId(10)
  const key = importAesKey(systemRandom.bytes(16))
  const [aad, message] = [new Uint8Array(20), new Uint8Array(MESSAGE_BYTES)]
  const start = performance.now()
  for (let index = 0; index < 2 * size; index++) {
    const nonce = new Uint8Array(aead.nonceBytes)
    new DataView(nonce.buffer).setUint32(0, index)
    aead.open(key, nonce, aad, aead.seal(key, nonce, aad, message))
  }
  return performance.now() - start
}

function endAt(
  network: MemoryNetwork,
  address: string,
): { readonly endpoint: CoapEndpoint; readonly layer: OscoreLayer; readonly tree: ResourceTree } {
  const channel = network.channel({ address, port: 5683 })
  const layer = new OscoreLayer({ random: systemRandom })
  const tree = new ResourceTree()
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger, security: layer })
  return { endpoint, layer, tree }
}
