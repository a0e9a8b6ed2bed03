// The seam between CoAP and whatever carries it: system sockets, a dongle, DTLS, a simulated radio, memory.

/** A UDP endpoint. Addresses are text in RFC 5952 form (IPv6) or dotted quads (IPv4), never host names. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
  /** Zone of a link-local address (RFC 4007), e.g. `eth0`; absent elsewhere. */
  readonly zone?: string
}

/** Who sent a datagram or a message, as a security layer has proven it. */
export interface PeerIdentity {
  readonly scheme: 'oscore' | 'group-oscore' | 'dtls-psk' | 'dtls-certificate' | 'dtls-public-key'
  /** The same text for the same credential, also after reconnecting. */
  readonly name: string
  /** Of a certificate: the end entity's in DER, its chain behind it. */
  readonly certificates?: readonly Uint8Array[]
}

export interface Datagram {
  readonly payload: Uint8Array
  readonly source: SocketAddress
  /** Where it was sent to, where the channel can tell. */
  readonly destination: SocketAddress | undefined
  /** Whether it came by IP multicast; channels that cannot tell answer false. */
  readonly multicast: boolean
  /** Absent where the channel protects nothing. */
  readonly peer?: PeerIdentity
}

export interface ChannelCounters {
  readonly sent: number
  readonly received: number
  readonly sendErrors: number
  /** Received datagrams thrown away because nobody could take them. */
  readonly dropped: number
}

export type ChannelEvent =
  | { readonly kind: 'datagram'; readonly datagram: Datagram }
  | { readonly kind: 'send-failed'; readonly to: SocketAddress; readonly error: Error }
  | { readonly kind: 'closed'; readonly error?: Error }

/** A bidirectional datagram path. Sending never blocks and never throws; failures come back as events. */
export interface DatagramChannel {
  /** Stable name within the process, e.g. `udp:[::1]:5683`, `demo`. */
  readonly id: string
  /** The address that peers answer to. */
  readonly local: SocketAddress
  /** Largest UDP payload in bytes that is carried without IP fragmentation. */
  readonly maxPayloadBytes: number
  /** The same towards one peer, where less is agreed with it. */
  maxPayloadTo?(to: SocketAddress): number
  send(payload: Uint8Array, to: SocketAddress): void
  subscribe(listener: (event: ChannelEvent) => void): () => void
  /** On the interface (IPv6: its name; IPv4: its address), or on all that the channel serves. Channels of one interface do not ask. */
  joinGroup(address: string, on?: string): void
  leaveGroup(address: string, on?: string): void
  counters(): ChannelCounters
  close(): Promise<void>
}

/** `address:port`, with brackets for IPv6 and the zone where there is one: a map key and a readable form. */
export function formatSocketAddress(at: SocketAddress): string {
  const zone = at.zone === undefined ? '' : `%${at.zone}`
  return at.address.includes(':') ? `[${at.address}${zone}]:${at.port}` : `${at.address}:${at.port}`
}

/** Whether the address text is an IPv6 (ff00::/8) or IPv4 (224.0.0.0/4) multicast address. */
export function isMulticastAddress(address: string): boolean {
  if (address.includes(':')) return /^ff[0-9a-f]{2}:/i.test(address)
  const first = Number.parseInt(address, 10)
  return first >= 224 && first <= 239
}
