// kill -9 of the Group Manager while it rekeys 200 members over system sockets that lose every fifth datagram: in the end every member that
// stays has the new keys, and the evicted one has not.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import {
  delay,
  generateKeyPair,
  seededRandom,
  sha256,
  silentLogger,
  systemClock,
  systemRandom,
  toHex,
  utf8,
  type DatagramChannel,
  type Random,
} from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { makeCcs, OscoreLayer, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import { GroupMemberClient, rolesOf } from '#main/services/group-manager/index.ts'
import { createSiteFile } from '#main/store/index.ts'
import { exampleSite, storePorts, temporaryFolder } from '../support/site-file.ts'
import { freePort } from './our-server.ts'

const MEMBERS = 200
const LOSS = 0.2
const KILLS = 6
const EVICTED = 17

interface Status {
  readonly gid: string
  readonly generation: number
  readonly members: number
  readonly behind: number
}

/** Loses datagrams both ways while it is told to. */
function lossy(channel: DatagramChannel, random: Random, rate: () => number): DatagramChannel {
  return {
    id: channel.id,
    local: channel.local,
    maxPayloadBytes: channel.maxPayloadBytes,
    send: (payload, to) => {
      if (random.fraction() >= rate()) channel.send(payload, to)
    },
    subscribe: (listener) =>
      channel.subscribe((event) => {
        if (event.kind !== 'datagram' || random.fraction() >= rate()) listener(event)
      }),
    joinGroup: (address, on) => channel.joinGroup(address, on),
    leaveGroup: (address, on) => channel.leaveGroup(address, on),
    counters: () => channel.counters(),
    close: () => channel.close(),
  }
}

class Server {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, 'group-manager-server.ts'), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.#child.stdout === null) throw new TypeError('no pipe')
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  async ready(): Promise<void> {
    const line: IteratorResult<string, unknown> = await this.#lines.next()
    if (line.value !== 'ready') throw new Error('the Group Manager did not start')
  }

  async ask(word: string): Promise<Status> {
    this.#child.stdin?.write(`${word}\n`)
    const line: IteratorResult<string, unknown> = await this.#lines.next()
    return JSON.parse(String(line.value)) as Status
  }

  kill(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.kill('SIGKILL')
    })
  }
}

it(`rekeys ${MEMBERS} members at ${LOSS * 100} % loss, killed ${KILLS} times`, { timeout: 180_000 }, async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'site.gws')
  createSiteFile(file, exampleSite, storePorts()).close()
  const port = await freePort('::1')
  const args = [file, join(folder, 'anchor.sqlite'), String(port), String(MEMBERS)]
  let server = new Server(args)
  await server.ready()
  let rate = 0
  const random = seededRandom(7)
  const members: GroupMemberClient[] = []
  const keys = generateKeyPair('Ed25519')
  for (let index = 0; index < MEMBERS; index++) {
    const channel = lossy(await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger }), random, () => rate)
    const layer = new OscoreLayer({ random: systemRandom })
    const sequences = volatileSequences()
    const masterSecret = sha256(utf8(`device-${index}`)).slice(0, 16)
    const ids = { senderId: Uint8Array.of(1, index >> 8, index & 0xff), recipientId: Uint8Array.of(0xaa) }
    layer.add(new UnicastContext({ name: 'manager', masterSecret, ...ids }, { sequences, received: 'fresh' }))
    const tree = new ResourceTree()
    const parameters = { ackTimeoutMs: 100 }
    const endpoint = new CoapEndpoint({
      channel,
      tree,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      parameters,
      security: layer,
    })
    const member = new GroupMemberClient({
      client: endpoint,
      manager: { address: '::1', port },
      managerContext: 'manager',
      layer,
      groupName: 'g1',
      roles: rolesOf(['requester', 'responder']),
      keysFor: ({ alg }) => ({
        credential: makeCcs(keys.publicKey, { subject: `device-${index}`, ...(alg === undefined ? {} : { alg }) }),
        privateKey: keys.privateKey,
      }),
      control: { registry: tree, path: '/grp-rek' },
      clock: systemClock,
      random: systemRandom,
      sequences,
      logger: silentLogger,
      checkIntervalMs: 0,
    })
    onTestFinished(async () => {
      member.close()
      endpoint.close()
      await channel.close()
    })
    await member.join()
    members.push(member)
  }
  rate = LOSS
  const { gid } = await server.ask(`evict device-${EVICTED}`)
  const left: number[] = []
  for (let death = 0; death < KILLS; death++) {
    await delay(systemClock, 20 + random.below(500))
    left.push((await server.ask('status')).behind)
    await server.kill()
    server = new Server(args)
    await server.ready()
    expect((await server.ask('status')).gid).toBe(gid)
  }
  let status = await server.ask('status')
  const startedMs = performance.now()
  while (status.behind > 0 && performance.now() - startedMs < 120_000) {
    await delay(systemClock, 250)
    status = await server.ask('status')
  }
  console.log(
    `members without confirmed keys before each kill: ${left.join(', ')}; all had them ${Math.round(performance.now() - startedMs)} ms after the last`,
  )
  expect(status).toEqual({ gid, generation: 1, members: MEMBERS - 1, behind: 0 })
  // At least one death came in the middle.
  expect(left.some((count) => count > 0)).toBe(true)
  const gidOf = (member: GroupMemberClient): string => toHex(member.group?.current.gid ?? new Uint8Array(0))
  expect(members.filter((member, index) => (gidOf(member) === gid) === (index === EVICTED))).toEqual([])
})
