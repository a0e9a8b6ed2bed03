// Addresses and prefixes that the host has put into the dongle: volatile there, so they are set again after a reset, and taken out
// when the link ends.
import { AppError } from '#main/base/index.ts'
import { formatIp6, parseIp6 } from './ip6-text.ts'
import type { NcpState } from './ncp-status.ts'
import { PREFIX_FLAG, PROP } from './properties.ts'
import type { SpinelSession } from './session.ts'

const FOR_EVER = 0xffff_ffff
const PREFIX_LENGTH = 64
/** Devices make addresses from it, and it is preferred: reachable without any route. */
const PREFIX_FLAGS = PREFIX_FLAG.ON_MESH | PREFIX_FLAG.SLAAC | PREFIX_FLAG.PREFERRED

export class OwnEntries {
  readonly #session: SpinelSession
  readonly #state: NcpState
  readonly #addresses = new Set<string>()
  readonly #prefixes = new Set<string>()

  constructor(session: SpinelSession, state: NcpState) {
    this.#session = session
    this.#state = state
  }

  async addAddress(text: string): Promise<void> {
    const address = unicast(text)
    await this.#insertAddress(address)
    this.#addresses.add(address)
  }

  async removeAddress(text: string): Promise<void> {
    const address = unicast(text)
    this.#addresses.delete(address)
    await this.#session.remove(PROP.IPV6_ADDRESS_TABLE, address)
  }

  async addPrefix(text: string): Promise<void> {
    const prefix = networkPart(text)
    await this.#change(() =>
      this.#session.insert(PROP.THREAD_ON_MESH_NETS, { prefix, prefixLength: PREFIX_LENGTH, stable: true, flags: PREFIX_FLAGS }),
    )
    this.#prefixes.add(prefix)
  }

  async removePrefix(text: string): Promise<void> {
    const prefix = networkPart(text)
    this.#prefixes.delete(prefix)
    await this.#change(() => this.#session.remove(PROP.THREAD_ON_MESH_NETS, { prefix, prefixLength: PREFIX_LENGTH }))
  }

  /** Sets all of them again, once the stack is up. */
  async restore(): Promise<void> {
    if (!this.#state.status.stackUp) return
    for (const address of this.#addresses) await this.#insertAddress(address)
    for (const prefix of [...this.#prefixes]) await this.addPrefix(prefix)
  }

  async clear(): Promise<void> {
    await Promise.allSettled([
      ...[...this.#addresses].map((one) => this.removeAddress(one)),
      ...[...this.#prefixes].map((one) => this.removePrefix(one)),
    ])
  }

  async #insertAddress(address: string): Promise<void> {
    await this.#session.insert(PROP.IPV6_ADDRESS_TABLE, {
      address,
      prefixLength: PREFIX_LENGTH,
      preferredLifetimeS: FOR_EVER,
      validLifetimeS: FOR_EVER,
    })
  }

  /** Network data may only be changed between these two, and is registered with the leader by the second. */
  async #change(run: () => Promise<void>): Promise<void> {
    await this.#session.set(PROP.THREAD_ALLOW_LOCAL_NET_DATA_CHANGE, true)
    try {
      await run()
    } finally {
      await this.#session.set(PROP.THREAD_ALLOW_LOCAL_NET_DATA_CHANGE, false)
    }
  }
}

function unicast(text: string): string {
  const bytes = parseIp6(text)
  if (bytes === undefined || bytes[0] === 0xff || bytes.every((byte) => byte === 0)) {
    throw new AppError('link.network-invalid', 'Not an IPv6 address of a host', { details: { field: 'address' } })
  }
  return formatIp6(bytes)
}

function networkPart(text: string): string {
  const bytes = parseIp6(text.replace(/\/64$/, ''))
  if (bytes === undefined || bytes[0] === 0xff || bytes[0] === 0xfe || bytes.subarray(8).some((byte) => byte !== 0)) {
    throw new AppError('link.network-invalid', 'Not an IPv6 prefix of 64 bits', { details: { field: 'prefix' } })
  }
  return formatIp6(bytes)
}
