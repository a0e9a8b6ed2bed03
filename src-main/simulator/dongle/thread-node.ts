// The state of a simulated Thread NCP: settings in flash and in memory, interface and stack, role, addresses and groups.
import { concatBytes, equalBytes, fromHex, toHex, type Random, type Schedule, type Timer } from '#main/base/index.ts'
import { isComplete, isSameNetwork, viewOf, type NetworkView } from './dataset.ts'
import { PROPERTY, ROLE } from './spinel.ts'

export interface NcpIdentity {
  readonly eui64: Uint8Array
  /** MAC address in use; drawn anew after a wipe, as the interface identifier is. */
  readonly extendedAddress: Uint8Array
  readonly meshLocalIid: Uint8Array
  readonly rloc16: number
  readonly partition: number
}

export interface ThreadNodeOptions {
  readonly identity: NcpIdentity
  readonly schedule: Schedule
  readonly random: Random
  /** The dataset in flash when the dongle is plugged in. */
  readonly saved?: Uint8Array
  /** The dataset of the site's network; undefined where nobody else is in the air. */
  readonly siteDataset?: Uint8Array
  /** Told of each property whose value has changed. */
  readonly onChange: (property: number) => void
}

/** Alone a new network takes so long, and a former leader that finds nobody still longer; where others are, it is quick, and quickest after a reset. */
const FORM_MS = 7150
const RESUME_ALONE_MS = 33_800
const ATTACH_MS = 950
const RESUME_MS = 5
const LEAVE_MS = 1000
/** OpenThread's IP6_MAX_EXT_UCAST_ADDRS and IP6_MAX_EXT_MCAST_ADDRS. */
const MOST_OWN_ADDRESSES = 4
const MOST_OWN_GROUPS = 2
const LINK_LOCAL_PREFIX = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0)
const ALL_NODES = ['ff020000000000000000000000000001', 'ff030000000000000000000000000001', 'ff0300000000000000000000000000fc']
const ALL_ROUTERS = ['ff020000000000000000000000000002', 'ff030000000000000000000000000002']

export class ThreadNode {
  readonly #options: ThreadNodeOptions
  readonly #ownAddresses: Uint8Array[] = []
  readonly #hostAddresses = new Set<string>()
  readonly #ownGroups: Uint8Array[] = []
  #identity: NcpIdentity
  #factory: NetworkView
  #flash: Uint8Array | undefined
  #dataset: Uint8Array | undefined
  #network: NetworkView
  #isUp = false
  #isStackUp = false
  #isNewcomer = false
  #hasAttachedBefore: boolean
  #role: number = ROLE.disabled
  #timer: Timer | undefined

  constructor(options: ThreadNodeOptions) {
    this.#options = options
    this.#identity = options.identity
    this.#flash = options.saved
    this.#hasAttachedBefore = options.saved !== undefined
    this.#factory = factoryNetwork(options.random)
    this.#network = this.#factory
    this.#load()
  }

  get identity(): NcpIdentity {
    return this.#identity
  }

  get network(): NetworkView {
    return this.#network
  }

  get dataset(): Uint8Array {
    return this.#dataset ?? NO_BYTES
  }

  get isSaved(): boolean {
    return this.#flash !== undefined
  }

  get isUp(): boolean {
    return this.#isUp
  }

  get isStackUp(): boolean {
    return this.#isStackUp
  }

  get role(): number {
    return this.#role
  }

  get isAttached(): boolean {
    return this.#role === ROLE.child || this.#role === ROLE.router || this.#role === ROLE.leader
  }

  /** Whether the site's devices and this node hear each other. */
  get isInSite(): boolean {
    const { siteDataset } = this.#options
    return this.isAttached && siteDataset !== undefined && this.#dataset !== undefined && isSameNetwork(siteDataset, this.#dataset)
  }

  get linkLocal(): Uint8Array {
    const iid = this.#identity.extendedAddress.slice()
    iid[0] = (iid[0] ?? 0) ^ 0x02
    return concatBytes(LINK_LOCAL_PREFIX, iid)
  }

  get meshLocal(): Uint8Array {
    return concatBytes(this.#network.prefix, this.#identity.meshLocalIid)
  }

  /** The address that this network's nodes know a short address by. */
  locator(short: number): Uint8Array {
    return concatBytes(this.#network.prefix, Uint8Array.of(0, 0, 0, 0xff, 0xfe, 0, short >> 8, short & 0xff))
  }

  /** The newest first, as the NCP tells them. */
  get addresses(): readonly Uint8Array[] {
    const list: Uint8Array[] = [...this.#ownAddresses]
    if (this.#role === ROLE.leader) list.push(this.locator(0xfc00))
    const hasLocator = this.isAttached || (this.#isStackUp && this.#hasAttachedBefore)
    if (hasLocator) list.push(this.locator(this.#identity.rloc16))
    if (this.#isStackUp) list.push(this.meshLocal)
    if (this.#isUp) list.push(this.linkLocal)
    return list
  }

  get ownAddresses(): readonly Uint8Array[] {
    return this.#ownAddresses
  }

  get groups(): readonly Uint8Array[] {
    const list: Uint8Array[] = [...this.#ownGroups]
    if (this.#isStackUp) {
      for (const scope of [0x33, 0x32])
        list.push(concatBytes(Uint8Array.of(0xff, scope, 0, 0x40), this.#network.prefix, Uint8Array.of(0, 0, 0, 1)))
    }
    const named = [...(this.isAttached ? ALL_ROUTERS : []), ...(this.#isUp ? ALL_NODES : [])]
    return [...list, ...named.map((group) => fromHex(group) ?? NO_BYTES)]
  }

  /** Power or a reset: what is in flash stays, all else is forgotten. */
  restart(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#flash === undefined && this.#dataset !== undefined) this.#forgetIdentity()
    this.#ownAddresses.length = 0
    this.#hostAddresses.clear()
    this.#ownGroups.length = 0
    this.#isUp = false
    this.#isStackUp = false
    this.#role = ROLE.disabled
    this.#hasAttachedBefore = this.#flash !== undefined
    this.#load()
  }

  /** Wipes flash; what is in memory stays until the next reset. */
  clearFlash(): void {
    this.#flash = undefined
  }

  setInterface(up: boolean): boolean {
    if (up === this.#isUp) return true
    if (!up && this.#isStackUp) return false
    this.#isUp = up
    this.#tell(...(up ? [PROPERTY.LL_ADDRESS] : []), PROPERTY.ADDRESS_TABLE, PROPERTY.MULTICAST_TABLE)
    return true
  }

  setStack(up: boolean): boolean {
    if (up === this.#isStackUp) return true
    if (up && !this.#isUp) return false
    this.#isStackUp = up
    this.#role = up ? ROLE.detached : ROLE.disabled
    this.#timer?.cancel()
    this.#timer = undefined
    this.#tell(PROPERTY.ADDRESS_TABLE, PROPERTY.NET_ROLE, PROPERTY.MULTICAST_TABLE)
    if (up) this.#attach()
    return true
  }

  /** Says good-bye to the network, then stops the stack. */
  leave(done: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#options.schedule.setTimer(LEAVE_MS, () => {
      this.setStack(false)
      done()
    })
  }

  setDataset(tlvs: Uint8Array): void {
    this.#dataset = tlvs.slice()
    this.#flash = this.#dataset
    this.#show(viewOf(tlvs, this.#network))
    if (this.#isStackUp && !this.isAttached) this.#attach()
  }

  /** A single property of the network, beside any dataset. */
  setNetwork(change: Partial<NetworkView>): void {
    this.#show({ ...this.#network, ...change })
  }

  /** An address of the host's, of which there are few places, or one that the NCP made itself for an on-mesh prefix. */
  addAddress(address: Uint8Array, from: 'host' | 'prefix'): boolean {
    if (this.#ownAddresses.some((known) => equalBytes(known, address))) return true
    if (from === 'host' && this.#hostAddresses.size >= MOST_OWN_ADDRESSES) return false
    if (from === 'host') this.#hostAddresses.add(toHex(address))
    this.#ownAddresses.unshift(address.slice())
    this.#tell(PROPERTY.ADDRESS_TABLE)
    return true
  }

  removeAddress(address: Uint8Array): void {
    this.#hostAddresses.delete(toHex(address))
    if (dropFrom(this.#ownAddresses, address)) this.#tell(PROPERTY.ADDRESS_TABLE)
  }

  addGroup(group: Uint8Array): boolean {
    if (this.groups.some((known) => equalBytes(known, group))) return true
    if (this.#ownGroups.length >= MOST_OWN_GROUPS) return false
    this.#ownGroups.unshift(group.slice())
    this.#tell(PROPERTY.MULTICAST_TABLE)
    return true
  }

  removeGroup(group: Uint8Array): void {
    if (dropFrom(this.#ownGroups, group)) this.#tell(PROPERTY.MULTICAST_TABLE)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #attach(): void {
    // Without a timestamp OpenThread neither forms nor leaves the detached role.
    if (this.#dataset === undefined || !isComplete(this.#dataset)) return
    const { siteDataset, schedule } = this.#options
    const hasCompany = siteDataset !== undefined && isSameNetwork(siteDataset, this.#dataset)
    const resumeMs = this.#hasAttachedBefore ? RESUME_MS : ATTACH_MS
    const delayMs = hasCompany ? resumeMs : this.#hasAttachedBefore ? RESUME_ALONE_MS : FORM_MS
    this.#timer?.cancel()
    this.#timer = schedule.setTimer(delayMs, () => {
      this.#timer = undefined
      // A newcomer does not lead those who are there already.
      this.#role = hasCompany && this.#isNewcomer ? ROLE.router : ROLE.leader
      this.#hasAttachedBefore = true
      this.#tell(PROPERTY.ADDRESS_TABLE, PROPERTY.NET_ROLE, PROPERTY.NET_PARTITION, PROPERTY.LEADER_NET_DATA)
      this.#tell(PROPERTY.ON_MESH_NETS, PROPERTY.OFF_MESH_ROUTES, PROPERTY.MULTICAST_TABLE)
    })
  }

  #load(): void {
    this.#dataset = this.#flash
    this.#network = this.#flash === undefined ? this.#factory : viewOf(this.#flash, this.#factory)
  }

  #forgetIdentity(): void {
    this.#isNewcomer = true
    const { random } = this.#options
    const extendedAddress = random.bytes(8)
    extendedAddress[0] = ((extendedAddress[0] ?? 0) & 0xfe) | 0x02
    this.#identity = { ...this.#identity, extendedAddress, meshLocalIid: random.bytes(8), rloc16: this.#identity.rloc16 }
    this.#factory = factoryNetwork(random)
  }

  #show(next: NetworkView): void {
    const before = this.#network
    this.#network = next
    if (!equalBytes(before.prefix, next.prefix)) this.#tell(PROPERTY.ML_ADDRESS)
    if (before.channel !== next.channel) this.#tell(PROPERTY.PHY_CHAN)
    if (before.panId !== next.panId) this.#tell(PROPERTY.MAC_PANID)
    if (before.name !== next.name) this.#tell(PROPERTY.NET_NAME)
    if (toHex(before.key) !== toHex(next.key)) this.#tell(PROPERTY.NET_KEY_SEQUENCE, PROPERTY.NET_KEY)
    if (toHex(before.pskc) !== toHex(next.pskc)) this.#tell(PROPERTY.NET_PSKC)
  }

  #tell(...properties: readonly number[]): void {
    for (const property of properties) this.#options.onChange(property)
  }
}

const NO_BYTES = new Uint8Array(0)

/** What an NCP shows that was never commissioned. */
function factoryNetwork(random: Random): NetworkView {
  return {
    channel: 11,
    panId: 0xffff,
    xpanId: Uint8Array.of(0xde, 0xad, 0x00, 0xbe, 0xef, 0x00, 0xca, 0xfe),
    name: 'OpenThread',
    key: random.bytes(16),
    pskc: new Uint8Array(16),
    prefix: Uint8Array.of(0xfd, 0xde, 0xad, 0x00, 0xbe, 0xef, 0x00, 0x00),
  }
}

function dropFrom(list: Uint8Array[], address: Uint8Array): boolean {
  const index = list.findIndex((known) => equalBytes(known, address))
  if (index >= 0) list.splice(index, 1)
  return index >= 0
}
