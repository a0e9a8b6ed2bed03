// The groups themselves, found by id, name, address and binding at once: thousands of them are made in one edit.
import type { CoapGroupId, GroupId } from '#main/base/index.ts'
import type { ApplicationGroupRecord, CoapGroupRecord } from './types.ts'

export class GroupCatalogue {
  readonly #coap = new Map<CoapGroupId, CoapGroupRecord>()
  readonly #groups = new Map<GroupId, ApplicationGroupRecord>()
  readonly #coapByName = new Index()
  readonly #coapByEndpoint = new Index()
  readonly #groupByName = new Index()
  readonly #groupByCoap = new Index()

  get coap(): ReadonlyMap<CoapGroupId, CoapGroupRecord> {
    return this.#coap
  }

  get groups(): ReadonlyMap<GroupId, ApplicationGroupRecord> {
    return this.#groups
  }

  groupNamed(name: string): ApplicationGroupRecord | undefined {
    return first(this.#groupByName.at(name), this.#groups)
  }

  coapGroupNamed(name: string): CoapGroupRecord | undefined {
    return first(this.#coapByName.at(name), this.#coap)
  }

  /** CoAP groups with this address and port: at most one, and while it is edited another. */
  coapGroupsAt(address: string, port: number): readonly CoapGroupRecord[] {
    return [...this.#coapByEndpoint.at(endpointOf({ address, port }))].flatMap((id) => this.#coap.get(id) ?? [])
  }

  /** Application groups served by a CoAP group, retired ones too. */
  groupsOn(coapGroupId: CoapGroupId): readonly ApplicationGroupRecord[] {
    return [...this.#groupByCoap.at(coapGroupId)].flatMap((id) => this.#groups.get(id) ?? [])
  }

  putCoap(group: CoapGroupRecord): void {
    this.dropCoap(group.id)
    this.#coap.set(group.id, group)
    this.#coapByName.add(group.name, group.id)
    this.#coapByEndpoint.add(endpointOf(group), group.id)
  }

  /** Gives back what was there. */
  dropCoap(id: CoapGroupId): CoapGroupRecord | undefined {
    const old = this.#coap.get(id)
    if (old === undefined) return undefined
    this.#coap.delete(id)
    this.#coapByName.remove(old.name, id)
    this.#coapByEndpoint.remove(endpointOf(old), id)
    return old
  }

  putGroup(group: ApplicationGroupRecord): void {
    this.#unindexGroup(group.id)
    this.#groups.set(group.id, group)
    this.#groupByName.add(group.name, group.id)
    this.#groupByCoap.add(group.coapGroupId, group.id)
  }

  dropGroup(id: GroupId): void {
    this.#unindexGroup(id)
    this.#groups.delete(id)
  }

  #unindexGroup(id: GroupId): void {
    const old = this.#groups.get(id)
    if (old === undefined) return
    this.#groupByName.remove(old.name, id)
    this.#groupByCoap.remove(old.coapGroupId, id)
  }
}

const NOTHING: ReadonlySet<string> = new Set()

/** Ids by one of their features. */
class Index {
  readonly #ids = new Map<string, Set<string>>()

  at(key: string): ReadonlySet<string> {
    return this.#ids.get(key) ?? NOTHING
  }

  add(key: string, id: string): void {
    const ids = this.#ids.get(key)
    if (ids === undefined) this.#ids.set(key, new Set([id]))
    else ids.add(id)
  }

  remove(key: string, id: string): void {
    const ids = this.#ids.get(key)
    ids?.delete(id)
    if (ids?.size === 0) this.#ids.delete(key)
  }
}

function first<Row>(ids: ReadonlySet<string>, rows: ReadonlyMap<string, Row>): Row | undefined {
  for (const id of ids) return rows.get(id)
  return undefined
}

/** Groups have their addresses in canonical text. */
function endpointOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`
}
