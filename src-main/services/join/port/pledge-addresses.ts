// Addresses of pledges that have none here: address and port of the proxy by which they came, and in the place of the zone the number of
// their session, `join-7`, or `eth0~join-7` where the proxy's own address has a zone. So tables that know peers by their socket address
// (CoAP's) tell pledges apart, sessions of one pledge too, and people see the proxy.
import type { SocketAddress } from '#main/base/index.ts'

export interface Addressed<Peer> {
  readonly number: number
  readonly address: SocketAddress
  peer: Peer
}

const NUMBER = /(?:^|~)join-(\d{1,15})$/

/** As many as there are sessions. */
export class PledgeAddresses<Peer extends { readonly key: string; readonly proxy: SocketAddress }> {
  readonly #byNumber = new Map<number, Addressed<Peer>>()
  readonly #byKey = new Map<string, Addressed<Peer>>()
  #next = 1

  get size(): number {
    return this.#byNumber.size
  }

  add(peer: Peer): Addressed<Peer> {
    this.remove(peer.key)
    const number = this.#next++
    const { address, port, zone } = peer.proxy
    const addressed = { number, address: { address, port, zone: `${zone === undefined ? '' : `${zone}~`}join-${number}` }, peer }
    this.#byNumber.set(number, addressed)
    this.#byKey.set(peer.key, addressed)
    return addressed
  }

  of(key: string): Addressed<Peer> | undefined {
    return this.#byKey.get(key)
  }

  at(address: SocketAddress): Addressed<Peer> | undefined {
    const number = NUMBER.exec(address.zone ?? '')?.[1]
    const addressed = number === undefined ? undefined : this.#byNumber.get(Number(number))
    return addressed?.address.address === address.address && addressed.address.port === address.port ? addressed : undefined
  }

  /** The session goes on by another way (RFC 9146 §6) and keeps its address. */
  move(from: string, to: Peer): void {
    const addressed = this.#byKey.get(from)
    if (addressed === undefined) return
    this.#byKey.delete(from)
    addressed.peer = to
    this.#byKey.set(to.key, addressed)
  }

  remove(key: string): Addressed<Peer> | undefined {
    const addressed = this.#byKey.get(key)
    if (addressed === undefined) return undefined
    this.#byKey.delete(key)
    this.#byNumber.delete(addressed.number)
    return addressed
  }
}

/** Address and port of the proxy, its zone put right; the address itself where it is none of a pledge. */
export function proxyOfSource(source: SocketAddress): SocketAddress {
  const { address, port, zone } = source
  const rest = zone?.replace(NUMBER, '')
  return rest === undefined || rest === '' ? { address, port } : { address, port, zone: rest }
}

/** Whether the address is one of a pledge behind a join proxy. */
export function isProxiedSource(source: SocketAddress): boolean {
  return NUMBER.test(source.zone ?? '')
}
