// Members that nobody here wrote join at our Group Manager by the wire protocol, and talk Group OSCORE with us and with one another.
// GROUPWRIGHT_AIOCOAP_PYTHON names an interpreter that has aiocoap with its OSCORE extras (cbor2, cryptography, filelock, ge25519).
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { generateKeyPair, silentLogger, systemClock, systemRandom, toHex, utf8, type DatagramChannel } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { makeCcs, OscoreLayer, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import { GroupManager, GroupMemberClient, rolesOf, type GroupConfigurationInput } from '#main/services/group-manager/index.ts'
import { createGroupManagerStore } from '#main/store/index.ts'
import { memoryDatabase, sealerOf } from '../services/group-manager/harness.ts'
import { describeWithPeer } from '../support/peers.ts'
import { freePort } from './our-server.ts'

const PYTHON = [process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? 'a Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']
const BOTH = rolesOf(['requester', 'responder'])

interface Site {
  readonly manager: GroupManager
  readonly layer: OscoreLayer
  readonly channel: DatagramChannel
}

const closing: Array<() => Promise<void> | void> = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function site(input: GroupConfigurationInput): Promise<Site> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const layer = new OscoreLayer({ random: systemRandom })
  const tree = new ResourceTree()
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger, security: layer })
  const manager = new GroupManager({
    registry: tree,
    layer,
    sequences: volatileSequences(),
    store: createGroupManagerStore(memoryDatabase()),
    sealer: sealerOf(systemRandom.bytes(16), systemRandom),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    clientFor: () => endpoint,
    baseUri: () => `coap://[::1]:${channel.local.port}`,
  })
  manager.createGroup('g1', { active: true, ...input })
  closing.push(async () => {
    manager.close()
    endpoint.close()
    await channel.close()
  })
  return { manager, layer, channel }
}

/** Keys of an enrolment: ours are in the layer afterwards, the other end's come back. */
function enrol({ manager, layer }: Site, name: string, id: number): { readonly masterSecret: Uint8Array; readonly masterSalt: Uint8Array } {
  const secrets = { masterSecret: systemRandom.bytes(16), masterSalt: systemRandom.bytes(8) }
  const ids = { senderId: Uint8Array.of(0xaa), recipientId: Uint8Array.of(id) }
  layer.add(new UnicastContext({ name, ...secrets, ...ids }, { sequences: volatileSequences(), received: 'fresh' }))
  manager.authorise({ identity: name, groups: [{ group: 'g1', roles: BOTH }] })
  return secrets
}

/** A member of ours at an end of its own. */
async function ours(at: Site): Promise<{ readonly client: GroupMemberClient; readonly port: number; readonly endpoint: CoapEndpoint }> {
  const secrets = enrol(at, 'ours', 1)
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const layer = new OscoreLayer({ random: systemRandom })
  const tree = new ResourceTree()
  const sequences = volatileSequences()
  layer.add(
    new UnicastContext(
      { name: 'manager', ...secrets, senderId: Uint8Array.of(1), recipientId: Uint8Array.of(0xaa) },
      { sequences, received: 'fresh' },
    ),
  )
  tree.add('/who', { handlers: { GET: ({ peer }) => ({ code: '2.05', payload: utf8(`ours hears ${peer?.scheme ?? 'nobody'}`) }) } })
  const endpoint = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger, security: layer })
  const client = new GroupMemberClient({
    client: endpoint,
    manager: at.channel.local,
    managerContext: 'manager',
    layer,
    groupName: 'g1',
    roles: BOTH,
    keysFor: ({ curve, alg }) => {
      const { publicKey, privateKey } = generateKeyPair(curve)
      return { credential: makeCcs(publicKey, alg === undefined ? {} : { alg }), privateKey }
    },
    control: { registry: tree, path: '/grp-rek' },
    clock: systemClock,
    random: systemRandom,
    sequences,
    logger: silentLogger,
  })
  closing.push(async () => {
    client.close()
    endpoint.close()
    await channel.close()
  })
  return { client, port: channel.local.port, endpoint }
}

/** The script, asked one thing after the other. */
class Script {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #errors = ''

  constructor(python: string, specFile: string) {
    this.#child = spawn(python, [join(import.meta.dirname, 'aiocoap/gm_member.py'), specFile], { stdio: ['pipe', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.#child
    if (stdout === null || stderr === null) throw new TypeError('no pipes')
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
    stderr.on('data', (chunk: Uint8Array) => {
      if (this.#errors.length < 10_000) this.#errors += new TextDecoder().decode(chunk)
    })
    closing.push(() => this.end())
  }

  async next(): Promise<Readonly<Record<string, unknown>>> {
    const line: IteratorResult<string, unknown> = await this.#lines.next()
    if (line.done === true) throw new Error(`the script ended: ${this.#errors}`)
    return JSON.parse(line.value) as Readonly<Record<string, unknown>>
  }

  ask(word: string): Promise<Readonly<Record<string, unknown>>> {
    this.#child.stdin?.write(`${word}\n`)
    return this.next()
  }

  end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.kill('SIGKILL')
    })
  }
}

let scripts = 0

async function script(
  python: string,
  at: Site,
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ script: Script; own: number }> {
  const id = 0x10 + scripts++
  const { masterSecret, masterSalt } = enrol(at, name, id)
  const own = await freePort('::1')
  const context = {
    kind: 'oscore',
    client: id.toString(16).padStart(2, '0'),
    server: 'aa',
    masterSecret: toHex(masterSecret),
    masterSalt: toHex(masterSalt),
    aead: 10,
    hkdf: 5,
  }
  const folder = await mkdtemp(join(tmpdir(), 'groupwright-gm-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'spec.json')
  await writeFile(file, JSON.stringify({ port: at.channel.local.port, own, group: 'g1', roles: 6, context, ...more }))
  return { script: new Script(python, file), own }
}

describeWithPeer('members made of aiocoap at our Group Manager', PYTHON, (python) => {
  describe.each([
    ['EdDSA', {}],
    ['ES256', { groupMode: { signature: -7 } }],
  ] as const)('%s', (_name, input) => {
    it('join, talk with a member of ours, get new keys and go on, renew, leave', async () => {
      const at = await site(input)
      const own = await ours(at)
      await own.client.join()
      const { script: member } = await script(python, at, 'python', { peer: own.port })
      expect(await member.next()).toMatchObject({ step: 'joined', code: '2.01', sid: '01', num: 0, gkty: 1, profile: 1, fmt: 14 })
      expect(await member.ask('talk')).toEqual({ step: 'talk', code: '2.05', text: 'ours hears group-oscore' })
      expect(await member.next()).toMatchObject({ step: 'talk pairwise', code: '2.05' })
      at.manager.rekeyNow('g1')
      const { gid } = at.manager.status('g1')
      expect(await member.ask('rekeyed')).toEqual({ step: 'rekeyed', num: 1, gid: toHex(gid) })
      expect(await member.ask('talk')).toEqual({ step: 'talk', code: '2.05', text: 'ours hears group-oscore' })
      expect(await member.next()).toMatchObject({ step: 'talk pairwise', code: '2.05' })
      expect(at.manager.members('g1').map(({ identity, keys }) => [identity, keys])).toEqual([
        ['ours', 'current'],
        ['python', 'current'],
      ])
      expect(await member.ask('renew')).toEqual({ step: 'renew', code: '2.04', sid: '02' })
      expect(await member.ask('talk')).toEqual({ step: 'talk', code: '2.05', text: 'ours hears group-oscore' })
      expect(await member.next()).toMatchObject({ step: 'talk pairwise', code: '2.05' })
      expect(await member.ask('leave')).toEqual({ step: 'leave', code: '2.02' })
      expect(await member.ask('num')).toMatchObject({ code: '4.03' })
      expect(at.manager.status('g1').generation).toBe(2)
    }, 60_000)
  })

  it('talk with one another by what they were given', async () => {
    const at = await site({})
    const first = await script(python, at, 'first')
    await first.script.next()
    const second = await script(python, at, 'second', { peer: first.own })
    await second.script.next()
    expect(await first.script.ask('credentials')).toEqual({ step: 'credentials', known: 1 })
    expect(await first.script.ask('serve')).toEqual({ step: 'serve' })
    expect(await second.script.ask('talk')).toEqual({ step: 'talk', code: '2.05', text: 'aiocoap' })
    expect(await second.script.next()).toMatchObject({ step: 'talk pairwise', code: '2.05', text: 'aiocoap' })
  }, 60_000)

  it('bring an access token of our authorisation server, join over the context that it makes, and get new keys over it', async () => {
    const at = await site({})
    const { script: member } = await script(python, at, 'python', { ace: true })
    expect(await member.next()).toEqual({
      step: 'token',
      issued: '2.01',
      transferred: '2.01',
      profile: 2,
      info: [['g1', -8, [1], [1, 6], 14]],
    })
    expect(await member.next()).toMatchObject({ step: 'joined', code: '2.01', sid: '00' })
    at.manager.rekeyNow('g1')
    expect(await member.ask('rekeyed')).toMatchObject({ step: 'rekeyed', num: 1 })
    expect(at.manager.members('g1')).toMatchObject([{ identity: 'python' }])
    expect(await member.ask('leave')).toEqual({ step: 'leave', code: '2.02' })
  }, 60_000)

  it('answer us in group mode and in pairwise mode, and are told when they are evicted', async () => {
    const at = await site({})
    const { script: member, own: port } = await script(python, at, 'python')
    await member.next()
    const own = await ours(at)
    const group = await own.client.join()
    expect(await member.ask('credentials')).toEqual({ step: 'credentials', known: 1 })
    expect(await member.ask('serve')).toEqual({ step: 'serve' })
    const to = { address: '::1', port }
    for (const security of [group.groupMode(), group.pairwise(Uint8Array.of(0))]) {
      const response = await own.endpoint.request(to, { method: 'GET', path: ['who'], security })
      expect([response.code, new TextDecoder().decode(response.payload), response.peer?.scheme]).toEqual([
        '2.05',
        'aiocoap',
        'group-oscore',
      ])
    }
    at.manager.evict('g1', ['python'])
    expect(await member.next()).toEqual({ step: 'evicted' })
  }, 60_000)
})
