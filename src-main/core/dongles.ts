// The open site's dongles: which ones it has (kept with the site, never a key), each opened by itself, all of them in one feed.
import { z } from 'zod'
import { AppError, fromHex, KeyedFeed } from '#main/base/index.ts'
import { encodeDataset, newDataset, parseDatasetText } from '#main/wire/links/index.ts'
import type { NetworkDescription } from '#main/wire/links/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { ChannelNoiseRow, FoundNetworkRow, LinkRow, NetworkDescriptionInput } from '#contract/model.ts'
import { SiteDongle } from './dongle.ts'
import type { DonglePorts, DongleSpec } from './dongle.ts'
import { groupNetworks } from './found-networks.ts'

export interface DonglesOptions extends DonglePorts {
  readonly file: Pick<SiteFile, 'getMeta' | 'setMeta'>
  /** The demo site's own; it is in no list of the file. */
  readonly simulated?: DongleSpec | undefined
}

export interface Dongles {
  readonly feed: KeyedFeed<LinkRow>
  /** Opens all that are switched on; they come up by themselves. */
  open(): Promise<void>
  /** Resolves when the dongle is up, or after so long. */
  upWithin(id: string, timeoutMs: number): Promise<void>
  /** A dongle more; one that is there already answers its id. */
  add(port: { readonly path: string; readonly key?: string | undefined; readonly name?: string | undefined }): Promise<string>
  /** Forgets it. Throws `link.port-missing` for an unknown id, `link.refused` for the demo site's. */
  remove(id: string): Promise<void>
  switchOn(id: string): Promise<void>
  switchOff(id: string): Promise<void>
  retry(id: string): void
  refresh(id: string): Promise<void>
  /** Makes a network; what is not given is drawn at random. */
  form(id: string, network: NetworkDescriptionInput): Promise<void>
  /** Joins a network by its dataset (TLVs in hex) or by its description with the key. */
  attach(id: string, network: { readonly dataset: string } | { readonly network: NetworkDescriptionInput }): Promise<void>
  join(id: string, passphrase: string): Promise<void>
  leave(id: string): Promise<void>
  scan(id: string, kind: 'networks' | 'beacons' | 'noise'): Promise<{ networks: FoundNetworkRow[]; noise: ChannelNoiseRow[] }>
  cancel(id: string): void
  /** The dataset of the network as TLVs, keys included: for the engineer who asks for it on the command line. Never logged. */
  dataset(id: string): Promise<Uint8Array>
  /** Calls back when a dongle has come up, gone down, or changed its addresses. */
  onReach(listener: () => void): () => void
  close(): Promise<void>
}

const SAVED = 'dongles'
const saved = z.array(z.object({ id: z.string(), name: z.string(), path: z.string(), key: z.string().nullable(), on: z.boolean() }))
type Saved = z.infer<typeof saved>[number]

export function createDongles(options: DonglesOptions): Dongles {
  return new SiteDongles(options)
}

class SiteDongles implements Dongles {
  readonly feed = new KeyedFeed<LinkRow>((row) => row.id)
  readonly #options: DonglesOptions
  readonly #dongles = new Map<string, SiteDongle>()
  readonly #reachListeners = new Set<() => void>()
  #saved: readonly Saved[]

  constructor(options: DonglesOptions) {
    this.#options = options
    this.#saved = saved.safeParse(options.file.getMeta(SAVED)).data ?? []
    if (options.simulated !== undefined) this.#make(options.simulated)
    for (const { id, name, path, key } of this.#saved) this.#make({ id, name, path, key })
  }

  async open(): Promise<void> {
    const off = new Set(this.#saved.filter(({ on }) => !on).map(({ id }) => id))
    const on = [...this.#dongles.values()].filter(({ spec }) => !off.has(spec.id))
    await Promise.all(on.map((dongle) => dongle.open()))
  }

  upWithin(id: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel()
        this.#reachListeners.delete(look)
        resolve()
      }
      const look = (): void => {
        if (this.#dongles.get(id)?.isUp === true) finish()
      }
      const timer = this.#options.clock.setTimer(timeoutMs, finish)
      this.#reachListeners.add(look)
      look()
    })
  }

  async add({
    path,
    key,
    name,
  }: {
    readonly path: string
    readonly key?: string | undefined
    readonly name?: string | undefined
  }): Promise<string> {
    const known = this.#saved.find((each) => (key === undefined ? each.key === null && each.path === path : each.key === key))
    if (known !== undefined) {
      await this.switchOn(known.id)
      return known.id
    }
    const number = this.#options.random.below(0x100_0000).toString(16).padStart(6, '0')
    const spec = { id: `dongle:${number}`, name: name ?? path, path, key: key ?? null }
    this.#keep([...this.#saved, { ...spec, on: true }])
    await this.#make(spec).open()
    return spec.id
  }

  async remove(id: string): Promise<void> {
    const dongle = this.#find(id)
    if (dongle.spec.simulated !== undefined) throw new AppError('link.refused', 'The simulated dongle is part of the demo site')
    this.#keep(this.#saved.filter((each) => each.id !== id))
    await dongle.close()
    this.#dongles.delete(id)
    this.feed.delete([id])
    this.#tellReach()
  }

  async switchOn(id: string): Promise<void> {
    this.#keep(this.#saved.map((each) => (each.id === id ? { ...each, on: true } : each)))
    await this.#find(id).open()
  }

  async switchOff(id: string): Promise<void> {
    this.#keep(this.#saved.map((each) => (each.id === id ? { ...each, on: false } : each)))
    await this.#find(id).close()
  }

  retry(id: string): void {
    this.#find(id).retry()
  }

  refresh(id: string): Promise<void> {
    return this.#find(id).refresh()
  }

  async form(id: string, network: NetworkDescriptionInput): Promise<void> {
    const dataset = newDataset(described(network), this.#options.random)
    await this.#find(id).ncp('form', (driver, options) => driver.form(dataset, options))
  }

  async attach(id: string, input: { readonly dataset: string } | { readonly network: NetworkDescriptionInput }): Promise<void> {
    const network = 'dataset' in input ? parseDatasetText(input.dataset) : wholeDescription(input.network)
    await this.#find(id).ncp('attach', (driver, options) => driver.attach(network, options))
  }

  async join(id: string, passphrase: string): Promise<void> {
    await this.#find(id).ncp('join', (driver, options) => driver.join(passphrase, options))
  }

  leave(id: string): Promise<void> {
    return this.#find(id).ncp('leave', (driver, options) => driver.leave(options))
  }

  async scan(id: string, kind: 'networks' | 'beacons' | 'noise'): Promise<{ networks: FoundNetworkRow[]; noise: ChannelNoiseRow[] }> {
    return this.#find(id).ncp('scan', async (driver, { signal }) => {
      if (kind === 'noise') return { networks: [], noise: (await driver.scanEnergy({ signal })).map((each) => ({ ...each })) }
      return { networks: groupNetworks(await driver.scan(kind === 'networks' ? 'discover' : 'beacon', { signal })), noise: [] }
    })
  }

  cancel(id: string): void {
    this.#find(id).cancelTask()
  }

  async dataset(id: string): Promise<Uint8Array> {
    const dataset = await this.#find(id).driver().dataset()
    if (dataset === undefined) throw new AppError('link.network-invalid', 'The dongle is in no network', { details: { field: 'dataset' } })
    return encodeDataset(dataset)
  }

  onReach(listener: () => void): () => void {
    this.#reachListeners.add(listener)
    return () => this.#reachListeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#reachListeners.clear()
    await Promise.all([...this.#dongles.values()].map((dongle) => dongle.close()))
  }

  #make(spec: DongleSpec): SiteDongle {
    const dongle = new SiteDongle(spec, this.#options, (row, reachChanged) => {
      this.feed.set(row)
      if (reachChanged) this.#tellReach()
    })
    this.#dongles.set(spec.id, dongle)
    this.feed.set(dongle.row)
    return dongle
  }

  #find(id: string): SiteDongle {
    const dongle = this.#dongles.get(id)
    if (dongle === undefined) throw new AppError('link.port-missing', 'The site has no such dongle', { details: { id } })
    return dongle
  }

  #keep(next: readonly Saved[]): void {
    if (JSON.stringify(next) === JSON.stringify(this.#saved)) return
    this.#options.file.setMeta(
      SAVED,
      next.map((each) => ({ ...each })),
    )
    this.#saved = next
  }

  #tellReach(): void {
    for (const listener of [...this.#reachListeners]) listener()
  }
}

function described(input: NetworkDescriptionInput): Partial<NetworkDescription> {
  const { networkName, channel, panId, extendedPanId, networkKey, meshLocalPrefix } = input
  return {
    ...(networkName === undefined ? {} : { networkName }),
    ...(channel === undefined ? {} : { channel }),
    ...(panId === undefined ? {} : { panId }),
    ...(extendedPanId === undefined ? {} : { extendedPanId: hexBytes(extendedPanId, 'extendedPanId') }),
    ...(networkKey === undefined ? {} : { networkKey: hexBytes(networkKey, 'networkKey') }),
    ...(meshLocalPrefix === undefined ? {} : { meshLocalPrefix }),
  }
}

/** To join, all of it must be known. */
function wholeDescription(input: NetworkDescriptionInput): NetworkDescription {
  const { networkName, channel, panId, extendedPanId, networkKey, ...rest } = described(input)
  if (networkName === undefined) throw missing('networkName')
  if (channel === undefined) throw missing('channel')
  if (panId === undefined) throw missing('panId')
  if (extendedPanId === undefined) throw missing('extendedPanId')
  if (networkKey === undefined) throw missing('networkKey')
  return { networkName, channel, panId, extendedPanId, networkKey, ...rest }
}

function missing(field: string): AppError {
  return new AppError('link.network-invalid', `To join a network its ${field} is needed`, { details: { field } })
}

function hexBytes(text: string, field: string): Uint8Array {
  const bytes = fromHex(text)
  if (bytes === undefined)
    throw new AppError('link.network-invalid', `${field} is not written in hexadecimal digits`, { details: { field } })
  return bytes
}
