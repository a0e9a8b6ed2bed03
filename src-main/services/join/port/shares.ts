// What each proxy has of the places for handshakes and sessions, the longest held first.
interface Held<Peer> {
  readonly peer: Peer
  readonly sinceMs: number
}

interface Share<Peer> {
  readonly halfOpen: Map<string, Held<Peer>>
  readonly sessions: Map<string, Peer>
}

export interface SharePeer {
  readonly key: string
  readonly proxyKey: string
}

export class ProxyShares<Peer extends SharePeer> {
  readonly #shares = new Map<string, Share<Peer>>()

  get size(): number {
    return this.#shares.size
  }

  halfOpen(proxyKey: string): number {
    return this.#shares.get(proxyKey)?.halfOpen.size ?? 0
  }

  sessions(proxyKey: string): number {
    return this.#shares.get(proxyKey)?.sessions.size ?? 0
  }

  oldestHandshake(proxyKey: string): Held<Peer> | undefined {
    return this.#shares.get(proxyKey)?.halfOpen.values().next().value
  }

  longestUnused(proxyKey: string): Peer | undefined {
    return this.#shares.get(proxyKey)?.sessions.values().next().value
  }

  begun(peer: Peer, nowMs: number): void {
    this.#shareOf(peer).halfOpen.set(peer.key, { peer, sinceMs: nowMs })
  }

  established(peer: Peer): void {
    const share = this.#shareOf(peer)
    share.halfOpen.delete(peer.key)
    share.sessions.delete(peer.key)
    share.sessions.set(peer.key, peer)
  }

  used(peer: Peer): void {
    const sessions = this.#shares.get(peer.proxyKey)?.sessions
    if (sessions?.delete(peer.key) === true) sessions.set(peer.key, peer)
  }

  handshakeOver(peer: Peer): void {
    this.#shares.get(peer.proxyKey)?.halfOpen.delete(peer.key)
    this.#tidy(peer)
  }

  sessionOver(peer: Peer): void {
    this.#shares.get(peer.proxyKey)?.sessions.delete(peer.key)
    this.#tidy(peer)
  }

  clear(): void {
    this.#shares.clear()
  }

  #shareOf({ proxyKey }: Peer): Share<Peer> {
    const known = this.#shares.get(proxyKey)
    if (known !== undefined) return known
    const share: Share<Peer> = { halfOpen: new Map(), sessions: new Map() }
    this.#shares.set(proxyKey, share)
    return share
  }

  #tidy({ proxyKey }: Peer): void {
    const share = this.#shares.get(proxyKey)
    if (share?.halfOpen.size === 0 && share.sessions.size === 0) this.#shares.delete(proxyKey)
  }
}
