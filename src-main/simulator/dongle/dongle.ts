// A simulated dongle as its USB plug shows it: bytes in, bytes out, and the hands that pull and reset it.

/** The radio's side: what the dongle hands to the mesh and gets from it. */
export interface MeshPort {
  send(packet: Uint8Array): boolean
  bind(address: Uint8Array): void
  unbind(address: Uint8Array): void
}

export interface Dongle {
  /** Bytes from the host. */
  write(bytes: Uint8Array): void
  /** Bytes to the host: at most one listener, as a serial port has one user. */
  onBytes(listener: ((bytes: Uint8Array) => void) | undefined): void
  /** A packet from the mesh. */
  receive(packet: Uint8Array): void
  /** The reset button, or power that came back. */
  reset(): void
  close(): void
}
