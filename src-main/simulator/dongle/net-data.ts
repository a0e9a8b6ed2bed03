// On-mesh prefixes of a simulated NCP: those that the host puts in, those that the leader has taken, and the network data that tells of them.
import { concatBytes, type Random } from '#main/base/index.ts'
import { counted, little, PROPERTY, STATUS } from './spinel.ts'
import type { ThreadNode } from './thread-node.ts'

const ENTRY_BYTES = 19
/** On-mesh, and addresses by SLAAC. */
const SLAAC_FLAGS = 0x11
const PREFIX_TLV = 0x03
const BORDER_ROUTER_TLV = 0x05
const CONTEXT_TLV = 0x07
const COMMISSIONING_TLV = 0x08
const SESSION_TLV = 0x0b
/** Contexts count from 1; with the bit for compression. */
const FIRST_CONTEXT = 0x11
const MOST_PREFIXES = 4

/** prefix(16), length, stable, flags: what Spinel inserts. */
export class NetData {
  readonly #node: ThreadNode
  readonly #tell: (property: number) => void
  readonly #session: Uint8Array
  readonly #local = new Map<string, Uint8Array>()
  #registered: readonly Uint8Array[] = []
  #isOpen = false

  constructor(node: ThreadNode, random: Random, tell: (property: number) => void) {
    this.#node = node
    this.#tell = tell
    this.#session = random.bytes(2)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Closing registers what was changed with the leader. */
  setOpen(open: boolean): void {
    const wasOpen = this.#isOpen
    this.#isOpen = open
    if (open || !wasOpen || !this.#node.isAttached) return
    this.#registered = [...this.#local.values()]
    for (const net of this.#registered) {
      if (((net[18] ?? 0) & SLAAC_FLAGS) === SLAAC_FLAGS) {
        this.#node.addAddress(concatBytes(net.subarray(0, 8), this.#node.identity.meshLocalIid), 'prefix')
      }
    }
    for (const property of [PROPERTY.LEADER_NET_DATA, PROPERTY.ON_MESH_NETS, PROPERTY.OFF_MESH_ROUTES]) this.#tell(property)
  }

  insert(value: Uint8Array): number | undefined {
    if (!this.#isOpen) return STATUS.INVALID_STATE
    if (value.length < ENTRY_BYTES) return STATUS.PARSE_ERROR
    if (this.#local.size >= MOST_PREFIXES && !this.#local.has(keyOf(value))) return STATUS.NOMEM
    this.#local.set(keyOf(value), value.slice(0, ENTRY_BYTES))
    return undefined
  }

  remove(value: Uint8Array): number | undefined {
    if (!this.#isOpen) return STATUS.INVALID_STATE
    this.#local.delete(keyOf(value))
    return undefined
  }

  /** All of it is forgotten with a reset. */
  clear(): void {
    this.#local.clear()
    this.#registered = []
    this.#isOpen = false
  }

  /** What the leader tells, then what this node has put in: the same prefix stands there twice. */
  table(): Uint8Array {
    const entry = (net: Uint8Array, isLocal: number): Uint8Array =>
      counted(net, Uint8Array.of(isLocal), little(this.#node.identity.rloc16, 2), Uint8Array.of(0))
    return concatBytes(...this.#registered.map((net) => entry(net, 0)), ...[...this.#local.values()].map((net) => entry(net, 1)))
  }

  /** The leader's network data (Thread 1.1.1 §5.18). */
  leaderData(): Uint8Array {
    const { rloc16 } = this.#node.identity
    const commissioning = Uint8Array.of(COMMISSIONING_TLV, 4, SESSION_TLV, 2, ...this.#session)
    const prefixes = this.#registered.map((net, index) => {
      const bits = net[16] ?? 64
      const prefix = net.subarray(0, Math.ceil(bits / 8))
      const router = Uint8Array.of(BORDER_ROUTER_TLV, 4, rloc16 >> 8, rloc16 & 0xff, net[18] ?? 0, 0)
      const context = Uint8Array.of(CONTEXT_TLV, 2, FIRST_CONTEXT + index, bits)
      const body = concatBytes(Uint8Array.of(0, bits), prefix, router, context)
      return concatBytes(Uint8Array.of(PREFIX_TLV, body.length), body)
    })
    return concatBytes(commissioning, ...prefixes)
  }
}

function keyOf(value: Uint8Array): string {
  return value.subarray(0, 17).join()
}
