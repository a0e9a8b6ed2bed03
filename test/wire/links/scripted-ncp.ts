// An NCP in memory that answers as recorded ones do, and that a test can make silent, slow, forgetful or noisy.
import type { Clock } from '#main/base/index.ts'
import { concatBytes, toHex } from '#main/base/index.ts'
import {
  COMMAND,
  decodeSpinelFrame,
  encodeHdlc,
  encodeSpinelFrame,
  HdlcDecoder,
  pack,
  packedUint,
  PROP,
  propertyFrame,
  propertyName,
  readPropertyFrame,
  STATUS,
  unpack,
  type NcpVerb,
  type PropertyMessage,
  type SpinelProperty,
} from '#main/wire/links/index.ts'
import type { TestLine } from './support.ts'

export const LINK_LOCAL = 'fe80::8c62:4c60:b39e:573f'
export const MESH_LOCAL = 'fdde:ad00:beef:cafe:6e9d:9fcc:698d:e4b5'
const LOCATOR = 'fdde:ad00:beef:cafe:0:ff:fe00:400'
export const FTD_CAPABILITIES = [5, 12, 24, 0x20, 0x35, 14, 0x30]
const AUTOMATIC_GROUPS = ['ff02::1', 'ff03::1', 'ff03::fc']
const ROOM_FOR_GROUPS = 2
const NOTHING = new Uint8Array(0)

export class ScriptedNcp {
  readonly values = new Map<number, Uint8Array>()
  /** `verb NAME value`, in the order in which the host asked. */
  readonly asked: string[] = []
  readonly packets: Uint8Array[] = []
  readonly frames: string[] = []
  addresses: string[] = []
  groups: string[] = []
  prefixes: string[] = []
  silent = false
  answerMs = 1
  /** What the stack becomes once it is up; undefined where nobody is there. */
  becomes: 'child' | 'leader' | undefined = 'leader'
  attachMs = 7_000
  verdict: (packet: Uint8Array) => number = () => STATUS.OK
  /** Whether an answer gets lost on the line. */
  loses: (message: PropertyMessage, tid: number) => boolean = () => false
  unknown = new Set<number>()
  resets = 0
  readonly #line: TestLine
  readonly #clock: Clock
  readonly #decoder = new HdlcDecoder()
  #life = 0

  constructor(line: TestLine, clock: Clock) {
    this.#line = line
    this.#clock = clock
    line.onWrite = (bytes) => {
      for (const frame of this.#decoder.push(bytes)) this.#received(frame)
    }
    this.#give(PROP.PROTOCOL_VERSION, { major: 4, minor: 3 })
    this.#give(PROP.NCP_VERSION, 'OPENTHREAD/test; SCRIPT')
    this.#give(PROP.CAPS, FTD_CAPABILITIES)
    this.#give(PROP.INTERFACE_TYPE, 3)
    this.#give(PROP.HWADDR, '18b4300000000001')
    this.#give(PROP.NET_SAVED, false)
    this.#give(PROP.PHY_CHAN_SUPPORTED, [11, 12, 13])
    this.#give(PROP.PHY_CHAN, 11)
    this.#give(PROP.NET_NETWORK_NAME, 'OpenThread')
    this.#give(PROP.IPV6_ML_ADDR, MESH_LOCAL)
    this.powerUp()
  }

  set<Value>(property: SpinelProperty<Value>, value: Value): void {
    this.#give(property, value)
  }

  tell<Value>(property: SpinelProperty<Value>, value: Value): void {
    this.#give(property, value)
    this.unsolicited('is', property.number, pack(property.type, value))
  }

  unsolicited(verb: NcpVerb, property: number, value: Uint8Array): void {
    this.#send(0, { verb, property, value })
  }

  /** An IPv6 packet from the mesh. */
  deliver(packet: Uint8Array): void {
    this.unsolicited('is', PROP.STREAM_NET.number, pack(PROP.STREAM_NET.type, { packet, metadata: NOTHING }))
  }

  /** What a power cut does: flash stays, the rest goes. */
  powerUp(): void {
    this.#life++
    this.addresses = []
    this.groups = []
    this.prefixes = []
    this.#give(PROP.NET_IF_UP, false)
    this.#give(PROP.NET_STACK_UP, false)
    this.#give(PROP.NET_ROLE, 4)
    this.#give(PROP.NET_REQUIRE_JOIN_EXISTING, false)
  }

  restart(): void {
    this.powerUp()
    this.unsolicited('is', 0, pack(packedUint, STATUS.RESET_POWER_ON))
  }

  #give<Value>(property: SpinelProperty<Value>, value: Value): void {
    this.values.set(property.number, pack(property.type, value))
  }

  #send(tid: number, message: PropertyMessage): void {
    if (this.loses(message, tid)) return
    this.#line.receive(encodeHdlc(encodeSpinelFrame(propertyFrame(tid, message))))
  }

  #received(bytes: Uint8Array): void {
    if (this.silent) return
    this.frames.push(toHex(bytes))
    const frame = decodeSpinelFrame(bytes)
    const life = this.#life
    this.#clock.setTimer(this.answerMs, () => {
      if (life !== this.#life) return
      if (frame.command === COMMAND.RESET) {
        this.asked.push('reset')
        this.resets++
        this.restart()
        return
      }
      const message = readPropertyFrame(frame)
      if (message !== undefined) this.#property(frame.tid, message)
      else {
        this.asked.push(frame.command === COMMAND.NET_CLEAR ? 'clear' : `command ${frame.command}`)
        if (frame.command === COMMAND.NET_CLEAR) this.#give(PROP.NET_SAVED, false)
        this.#status(frame.tid, STATUS.OK)
      }
    })
  }

  #status(tid: number, status: number): void {
    this.#send(tid, { verb: 'is', property: 0, value: pack(packedUint, status) })
  }

  #property(tid: number, { verb, property, value }: PropertyMessage): void {
    if (property === PROP.STREAM_NET.number) {
      const { packet } = unpack(PROP.STREAM_NET.type, value)
      this.packets.push(packet)
      this.#status(tid, this.verdict(packet))
      return
    }
    this.asked.push(`${verb} ${propertyName(property)}${value.length === 0 ? '' : ` ${toHex(value)}`}`)
    if (this.unknown.has(property)) this.#status(tid, STATUS.PROP_NOT_FOUND)
    else if (verb === 'get') this.#get(tid, property)
    else if (verb === 'set') this.#set(tid, property, value)
    else this.#entry(tid, verb === 'insert', property, value)
  }

  #get(tid: number, property: number): void {
    const value = this.#table(property) ?? this.values.get(property)
    if (value === undefined) this.#status(tid, STATUS.PROP_NOT_FOUND)
    else this.#send(tid, { verb: 'is', property, value })
  }

  #table(property: number): Uint8Array | undefined {
    if (property === PROP.IPV6_ADDRESS_TABLE.number) {
      const rows = this.addresses.map((address) => ({
        address,
        prefixLength: 64,
        preferredLifetimeS: 0xffff_ffff,
        validLifetimeS: 0xffff_ffff,
      }))
      return pack(PROP.IPV6_ADDRESS_TABLE.type, rows)
    }
    if (property === PROP.IPV6_MULTICAST_ADDRESS_TABLE.number) return pack(PROP.IPV6_MULTICAST_ADDRESS_TABLE.type, this.groups)
    if (property === PROP.THREAD_ON_MESH_NETS.number) {
      const rows = this.prefixes.map((prefix) => ({
        prefix,
        prefixLength: 64,
        stable: true,
        flags: 0x31,
        local: true,
        rloc16: 0x400,
        more: Uint8Array.of(0),
      }))
      return pack(PROP.THREAD_ON_MESH_NETS.type, rows)
    }
    return undefined
  }

  #tellTable(property: number): void {
    this.unsolicited('is', property, this.#table(property) ?? NOTHING)
  }

  #set(tid: number, property: number, value: Uint8Array): void {
    this.values.set(property, value)
    if (property === PROP.MESHCOP_JOINER_COMMISSIONING.number) this.#status(tid, STATUS.OK)
    else this.#send(tid, { verb: 'is', property, value })
    if (property === PROP.NET_IF_UP.number) this.#interface(value[0] === 1)
    else if (property === PROP.NET_STACK_UP.number) this.#stack(value[0] === 1)
    else if (property === PROP.THREAD_ACTIVE_DATASET_TLVS.number || property === PROP.NET_NETWORK_KEY.number)
      this.#give(PROP.NET_SAVED, true)
    else if (property === PROP.NET_LEAVE_GRACEFULLY.number) {
      this.#clock.setTimer(1_000, () => {
        this.tell(PROP.NET_ROLE, 4)
        this.unsolicited('is', property, NOTHING)
      })
    }
  }

  #interface(up: boolean): void {
    this.addresses = up ? [LINK_LOCAL] : []
    this.groups = up ? [...AUTOMATIC_GROUPS] : []
    this.#tellTable(PROP.IPV6_ADDRESS_TABLE.number)
    this.#tellTable(PROP.IPV6_MULTICAST_ADDRESS_TABLE.number)
  }

  #stack(up: boolean): void {
    this.addresses = this.addresses.filter((address) => address === LINK_LOCAL)
    if (up) this.addresses.unshift(MESH_LOCAL)
    this.#tellTable(PROP.IPV6_ADDRESS_TABLE.number)
    this.tell(PROP.NET_ROLE, up ? 0 : 4)
    if (!up) return
    const life = this.#life
    this.#clock.setTimer(this.becomes === undefined ? 32_000 : this.attachMs, () => {
      if (life !== this.#life || this.values.get(PROP.NET_STACK_UP.number)?.[0] !== 1) return
      if (this.becomes === undefined) {
        this.tell(PROP.NET_ROLE, 4)
        this.tell(PROP.NET_STACK_UP, false)
        this.unsolicited('is', 0, pack(packedUint, STATUS.JOIN_FAILURE))
        return
      }
      this.addresses.unshift(LOCATOR)
      this.#tellTable(PROP.IPV6_ADDRESS_TABLE.number)
      this.tell(PROP.NET_ROLE, this.becomes === 'leader' ? 3 : 1)
    })
  }

  #entry(tid: number, insert: boolean, property: number, value: Uint8Array): void {
    const answer = (): void => this.#send(tid, { verb: insert ? 'inserted' : 'removed', property, value })
    if (property === PROP.IPV6_MULTICAST_ADDRESS_TABLE.number) {
      const group = unpack(PROP.IPV6_MULTICAST_ADDRESS_TABLE.entry, value)
      const own = this.groups.filter((other) => !AUTOMATIC_GROUPS.includes(other))
      if (insert && !this.groups.includes(group)) {
        if (own.length >= ROOM_FOR_GROUPS) {
          this.#status(tid, STATUS.NOMEM)
          return
        }
        this.groups.unshift(group)
      } else if (!insert) this.groups = this.groups.filter((other) => other !== group)
    } else if (property === PROP.IPV6_ADDRESS_TABLE.number) {
      const address = insert ? unpack(PROP.IPV6_ADDRESS_TABLE.entry, value).address : unpack(PROP.IPV6_ADDRESS_TABLE.entryName, value)
      this.addresses = this.addresses.filter((other) => other !== address)
      if (insert) this.addresses.unshift(address)
    } else if (property === PROP.THREAD_ON_MESH_NETS.number) {
      if (this.values.get(PROP.THREAD_ALLOW_LOCAL_NET_DATA_CHANGE.number)?.[0] !== 1) {
        this.#status(tid, STATUS.INVALID_STATE)
        return
      }
      const { prefix } = unpack(PROP.THREAD_ON_MESH_NETS.entryName, value)
      this.prefixes = this.prefixes.filter((other) => other !== prefix)
      if (insert) this.prefixes.push(prefix)
    }
    answer()
    if (this.#table(property) !== undefined) this.#tellTable(property)
  }
}

/** A UDP packet between the two addresses, given as 16 bytes each. */
export function ip6Packet(source: Uint8Array, destination: Uint8Array, payload: Uint8Array = new Uint8Array(8)): Uint8Array {
  const header = Uint8Array.of(0x60, 0, 0, 0, payload.length >> 8, payload.length & 0xff, 17, 64)
  return concatBytes(header, source, destination, payload)
}
