// A copied site file and its devices: the tool never uses a number of the original's again, but renews the contexts that it shares with
// devices when it next asks them something (RFC 8613 §7.5.1, Appendix B.2).
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemRandom, utf8 } from '#main/base/index.ts'
import {
  createSequenceStore,
  createSiteFile,
  openSiteFile,
  type DurableSequences,
  type EnrolmentStore,
  type StoredEnrolment,
} from '#main/store/index.ts'
import { decodeMessage, findOption, OptionNumber } from '#main/wire/coap/index.ts'
import { decodeOption, RenewalServer, renewContext, UnicastContext, volatileSequences, type RenewalInput } from '#main/wire/oscore/index.ts'
import { Enrolments } from '../../src-main/core/security-enrolments.ts'
import { exampleSite, storePorts, temporaryFolder } from '../support/site-file.ts'
import { listen, net, text, type Net, type Node } from '../wire/oscore/harness.ts'

const DEVICE = 'device-1'
const KEYS = {
  masterSecret: new Uint8Array(16).fill(1),
  masterSalt: new Uint8Array(8).fill(2),
  deviceId: Uint8Array.of(0, 0, 1),
  toolId: Uint8Array.of(0x54),
}
const plainSealer = { seal: (plain: Uint8Array) => plain.slice(), open: (sealed: Uint8Array) => sealed.slice() }
const ends: Array<() => void> = []
afterAll(() => {
  for (const end of ends) end()
})

function memoryStore(rows = new Map<string, StoredEnrolment>()): EnrolmentStore & { readonly rows: Map<string, StoredEnrolment> } {
  return {
    rows,
    all: () => [...rows.values()],
    save: (row) => rows.set(row.deviceId, row),
    remove: (id) => rows.delete(id),
    wipe: () => rows.clear(),
  }
}

/** `machine`: the folder of the program there, which is not copied with the site. */
function sequencesIn(folder: string, file: string, machine = 'here'): DurableSequences & { end(): void } {
  const path = join(folder, file)
  const site = existsSync(path) ? openSiteFile(path, storePorts()) : createSiteFile(path, exampleSite, storePorts())
  const store = createSequenceStore(site.database, {
    random: systemRandom,
    anchorFile: join(folder, machine, 'anchors.db'),
    siteId: 'site-1',
  })
  let open = true
  const end = (): void => {
    if (!open) return
    open = false
    store.close()
    site.close()
  }
  ends.push(end)
  return { ...store, end }
}

function copyOf(folder: string, from: string, to: string): void {
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(join(folder, `${to}${suffix}`), { force: true })
    if (existsSync(join(folder, `${from}${suffix}`))) copyFileSync(join(folder, `${from}${suffix}`), join(folder, `${to}${suffix}`))
  }
}

/** The same tool at the same address, over and over. */
function tool(
  network: Net,
  at: string,
  store: EnrolmentStore,
  sequences: DurableSequences,
): { readonly node: Node; readonly enrolments: Enrolments } {
  const node = network.node(at)
  const enrolments = new Enrolments({
    store,
    sealer: plainSealer,
    layer: node.layer,
    sequences,
    clock: network.clock,
    random: network.random,
  })
  return { node, enrolments }
}

function device(network: Net, renews: boolean): Node {
  const node = network.node('2001:db8::2')
  const { masterSecret, masterSalt, deviceId, toolId } = KEYS
  const input: RenewalInput = { name: 'tool', masterSecret, masterSalt, senderId: deviceId, recipientId: toolId }
  const sequences = volatileSequences()
  node.layer.add(new UnicastContext(input, { sequences, received: 'fresh' }))
  if (renews) {
    const renewal = new RenewalServer({ layer: node.layer, random: network.random, sequences, clock: network.clock })
    renewal.allow(input)
    node.layer.onUnknownContext(renewal)
  }
  node.tree.add('/x', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: utf8('y') }) } })
  return node
}

const ask = async (network: Net, from: { node: Node; enrolments: Enrolments }, to: Node): Promise<string> => {
  const security = from.enrolments.securityOf(DEVICE)
  if (security === undefined) throw new TypeError('not enrolled')
  return text((await network.clock.until(from.node.endpoint.request(to.at, { method: 'GET', path: ['x'], security }))).payload)
}

/** Kid, kid context and Partial IV of each request that came: what a nonce and its key hang on. */
function namesOf(heard: readonly Uint8Array[]): string[] {
  return heard.map((bytes) => {
    const option = decodeOption(findOption(decodeMessage(bytes).options, OptionNumber.OSCORE)?.value ?? new Uint8Array(0))
    return [option?.kid, option?.kidContext, option?.partialIv].map((part) => (part === undefined ? '' : String(part))).join('|')
  })
}

/** The first two are under the keys of the enrolment, what follows under those of the renewal, which names its context at first alone. */
function expectNewNonces(heard: readonly Uint8Array[]): void {
  for (const names of [namesOf(heard.slice(0, 2)), namesOf(heard.slice(2))]) expect(new Set(names).size).toBe(names.length)
}

describe('a copied site file', () => {
  test('asks a device again after renewing the context, keeps what came of it, and repeats no nonce of the original', async () => {
    const network = net()
    const folder = temporaryFolder()
    const store = memoryStore()
    const first = sequencesIn(folder, 'a.gws')
    const original = tool(network, '2001:db8::1', store, first)
    const light = device(network, true)
    const heard = listen(light.channel)
    original.enrolments.keep(DEVICE, KEYS)
    expect(await ask(network, original, light)).toBe('y')
    copyOf(folder, 'a.gws', 'b.gws')
    const copiedRows = memoryStore(new Map(store.rows))
    expect(await ask(network, original, light)).toBe('y')
    first.end()
    const second = sequencesIn(folder, 'b.gws', 'there')
    expect(second.isCopy).toBe(true)
    const copy = tool(network, '2001:db8::11', copiedRows, second)
    expect(await ask(network, copy, light)).toBe('y')
    expect(await ask(network, copy, light)).toBe('y')
    expectNewNonces(heard)
    // The next start of the same file goes on with what was agreed, without another renewal.
    second.end()
    const before = heard.length
    const third = sequencesIn(folder, 'b.gws', 'there')
    expect(third.isCopy).toBe(false)
    const later = tool(network, '2001:db8::12', copiedRows, third)
    expect(await ask(network, later, light)).toBe('y')
    expect(heard).toHaveLength(before + 1)
    expectNewNonces(heard)
  })

  test('sends nothing to a device that does not renew, and says what is to be done', async () => {
    const network = net()
    const folder = temporaryFolder()
    const store = memoryStore()
    const first = sequencesIn(folder, 'a.gws')
    tool(network, '2001:db8::1', store, first).enrolments.keep(DEVICE, KEYS)
    copyOf(folder, 'a.gws', 'b.gws')
    first.end()
    const second = sequencesIn(folder, 'b.gws', 'there')
    const copy = tool(network, '2001:db8::11', memoryStore(new Map(store.rows)), second)
    const light = device(network, false)
    await expect(ask(network, copy, light)).rejects.toMatchObject({ code: 'oscore.sender-stale' })
    // With new keys from outside it sends again; the device has them not yet.
    copy.enrolments.keep(DEVICE, { ...KEYS, masterSecret: new Uint8Array(16).fill(9) })
    expect(await ask(network, copy, light)).toBe('Decryption failed')
  })
})

test('a device that has lost its state renews the context at the tool, which keeps it; one that was removed cannot', async () => {
  const network = net()
  const folder = temporaryFolder()
  const store = memoryStore()
  const main = tool(network, '2001:db8::1', store, sequencesIn(folder, 'a.gws'))
  main.node.tree.add('/x', { protection: 'required', handlers: { GET: ({ peer }) => ({ code: '2.05', payload: utf8(peer?.name ?? '') }) } })
  main.enrolments.keep(DEVICE, KEYS)
  const light = network.node('2001:db8::2')
  const { masterSecret, masterSalt, deviceId, toolId } = KEYS
  const input: RenewalInput = { name: 'tool', masterSecret, masterSalt, senderId: deviceId, recipientId: toolId }
  const ports = { layer: light.layer, random: network.random, sequences: volatileSequences() }
  const sealedBefore = store.rows.get(DEVICE)?.sealed
  const context = await network.clock.until(renewContext(light.endpoint, main.node.at, input, ports, { method: 'GET', path: ['x'] }))
  expect(store.rows.get(DEVICE)?.sealed).not.toEqual(sealedBefore)
  const answer = await network.clock.until(
    light.endpoint.request(main.node.at, { method: 'GET', path: ['x'], security: light.layer.to('tool') }),
  )
  expect(text(answer.payload)).toBe(DEVICE)
  expect(main.node.layer.context(DEVICE)?.idContext).toEqual(context.idContext)
  main.enrolments.remove([DEVICE])
  await expect(
    network.clock.until(renewContext(light.endpoint, main.node.at, input, ports, { method: 'GET', path: ['x'] })),
  ).rejects.toMatchObject({ code: 'oscore.member-unknown' })
  expect(main.node.layer.context(DEVICE)).toBeUndefined()
})
