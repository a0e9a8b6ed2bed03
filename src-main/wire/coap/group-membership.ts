// The CoAP groups that a server is a member of, by interface and address: what is joined when, and left only when nobody needs it any
// more (groupcomm-bis-18 §2.2.2, §3.9; RFC 7252 §12.8).
import { AppError, type DatagramChannel } from '#main/base/index.ts'
import { ALL_COAP_NODES_IPV4, allCoapNodes, groupScopeOf, serverScopes, type GroupScope } from './group-scope.ts'
import { refuseCoapsPort } from './group-uri.ts'

export interface GroupMembershipOptions {
  readonly channel: DatagramChannel
  /** Scopes in which joining is allowed: 2 to 5 by default; 8 and E where somebody says so. */
  readonly scopes?: readonly GroupScope[]
}

const USUAL_SCOPES: readonly GroupScope[] = ['link-local', 'realm-local', 'admin-local', 'site-local']

interface Held {
  readonly address: string
  readonly on: string | undefined
  holders: number
}

/** The memberships of one channel, which stands for one port. */
export class GroupMembership {
  readonly #channel: DatagramChannel
  readonly #scopes: ReadonlySet<GroupScope>
  /** By address and interface. */
  readonly #held = new Map<string, Held>()

  constructor(options: GroupMembershipOptions) {
    this.#channel = options.channel
    this.#scopes = new Set(options.scopes ?? USUAL_SCOPES)
  }

  /** What is joined; without interface: on all that the channel serves. */
  get groups(): ReadonlyArray<{ readonly address: string; readonly on: string | undefined }> {
    return [...this.#held.values()].map(({ address, on }) => ({ address, on }))
  }

  /**
   * Joins, on one interface or on all of the channel's; the returned function leaves. Fails with `group.address-invalid` for an address
   * that is no group of an allowed scope or of the channel's family, with `group.port-reserved` where the channel's port is 5684.
   */
  join(address: string, on?: string): () => void {
    if (!this.#isAllowed(address)) {
      throw new AppError('group.address-invalid', 'Not a group address of an allowed scope', {
        details: { address, scope: groupScopeOf(address) ?? null },
      })
    }
    const { local } = this.#channel
    if (local.address.includes(':') !== address.includes(':')) {
      throw new AppError('group.address-invalid', 'The group is of another address family', { details: { address } })
    }
    refuseCoapsPort(local.port)
    const group = address.toLowerCase()
    const key = on === undefined ? group : `${group}%${on}`
    const held = this.#held.get(key) ?? { address: group, on, holders: 0 }
    if (held.holders === 0) this.#channel.joinGroup(group, on)
    held.holders++
    this.#held.set(key, held)
    let joined = true
    return () => {
      if (joined) this.#leave(key, held)
      joined = false
    }
  }

  /** Joins "All CoAP Nodes" in the scopes of §3.9.1, or its IPv4 address, as the channel's family has it. */
  joinAllCoapNodes(onLowpan = false, on?: string): () => void {
    const addresses = this.#channel.local.address.includes(':') ? serverScopes(onLowpan).map(allCoapNodes) : [ALL_COAP_NODES_IPV4]
    const leaves = addresses.filter((address) => this.#isAllowed(address)).map((address) => this.join(address, on))
    return () => {
      for (const leave of leaves) leave()
    }
  }

  /** Leaves all groups, whoever needs them. */
  close(): void {
    for (const { address, on } of this.#held.values()) this.#channel.leaveGroup(address, on)
    this.#held.clear()
  }

  /** The IPv4 All CoAP Nodes address has no scope of its own: routers bound its way (RFC 7252 §12.8). */
  #isAllowed(address: string): boolean {
    const scope = groupScopeOf(address)
    return address === ALL_COAP_NODES_IPV4 || (scope !== undefined && this.#scopes.has(scope))
  }

  #leave(key: string, held: Held): void {
    if (this.#held.get(key) !== held) return
    held.holders--
    if (held.holders > 0) return
    this.#held.delete(key)
    this.#channel.leaveGroup(held.address, held.on)
  }
}
