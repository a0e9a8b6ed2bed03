// Which datapoints of a KNX device take part in a group address, and what its tables must hold for that.
import { AppError } from '#main/base/index.ts'
import { groupIdOf } from './addresses.ts'
import type { Datapoint } from './device.ts'
import type { GroupObject, GroupObjectFlag, GroupRoute } from './tables.ts'

/** One datapoint's part in a group address. */
export interface KnxBinding {
  /** e.g. `/p/o_1_1`. */
  readonly href: string
  readonly flags: readonly GroupObjectFlag[]
}

export interface KnxTables {
  readonly objects: readonly GroupObject[]
  readonly recipients: readonly GroupRoute[]
  readonly publishers: readonly GroupRoute[]
}

const RECEIVES: readonly GroupObjectFlag[] = ['communicate', 'write']
const SENDS: readonly GroupObjectFlag[] = ['communicate', 'read', 'transmit']
/** Datapoint 61 of a functional block is its function; others tell its state or set parameters. */
const MAIN = '.61'

/**
 * What a device takes part with unless a person said otherwise: its first main function that is in no group yet; an actuator with one that
 * is, for it may obey several groups. Throws `knx.no-datapoint`.
 */
export function chooseBinding(datapoints: readonly Datapoint[], objects: readonly GroupObject[]): KnxBinding {
  const usable = datapoints.flatMap((datapoint) => {
    const flags = flagsOf(datapoint)
    return flags === undefined ? [] : [{ href: datapoint.href, flags, isMain: datapoint.resourceTypes.some((type) => type.endsWith(MAIN)) }]
  })
  const mains = usable.filter(({ isMain }) => isMain)
  const candidates = mains.length > 0 ? mains : usable
  const bound = new Set(objects.map(({ href }) => href))
  const chosen = candidates.find(({ href }) => !bound.has(href)) ?? candidates.find(({ flags }) => flags === RECEIVES)
  if (chosen === undefined) throw new AppError('knx.no-datapoint', 'The device has no datapoint left for another group')
  return { href: chosen.href, flags: chosen.flags }
}

/** Undefined where the interfaces say neither. */
function flagsOf({ interfaces }: Datapoint): readonly GroupObjectFlag[] | undefined {
  const has = (...names: readonly string[]): boolean => interfaces.some((name) => names.some((wanted) => name.endsWith(wanted)))
  if (has(':if.a', ':if.i')) return RECEIVES
  return has(':if.s', ':if.o') ? SENDS : undefined
}

/** The tables with the group address at these datapoints and at no others. */
export function withGroup(tables: KnxTables, groupAddress: number, bindings: readonly KnxBinding[]): KnxTables {
  const hrefs = new Set(bindings.map(({ href }) => href))
  const others = tables.objects.map((object) => (hrefs.has(object.href) ? object : without(object, groupAddress)))
  const objects = new Map(others.filter(isUsed).map((object) => [object.id, object]))
  for (const { href, flags } of bindings) {
    const before = [...objects.values()].find((object) => object.href === href)
    const groupAddresses = before?.groupAddresses ?? []
    const id = before?.id ?? freeId(objects)
    objects.set(id, {
      id,
      href,
      groupAddresses: groupAddresses.includes(groupAddress) ? groupAddresses : [...groupAddresses, groupAddress],
      flags: [...new Set(['communicate' as const, ...(before?.flags ?? []), ...flags])],
    })
  }
  return withRoutes([...objects.values()], tables)
}

export function withoutGroup(tables: KnxTables, groupAddress: number): KnxTables {
  return withRoutes(tables.objects.map((object) => without(object, groupAddress)).filter(isUsed), tables)
}

function without(object: GroupObject, groupAddress: number): GroupObject {
  return { ...object, groupAddresses: object.groupAddresses.filter((address) => address !== groupAddress) }
}

function isUsed({ groupAddresses }: GroupObject): boolean {
  return groupAddresses.length > 0
}

/**
 * Routes follow from the flags: a device sends where it transmits or answers, and listens where it is written, updated or read. Entries
 * that are there already keep their ids, so that a change writes what differs alone.
 */
export function withRoutes(objects: readonly GroupObject[], before: Omit<KnxTables, 'objects'>): KnxTables {
  const sends = objects.flatMap(({ flags, groupAddresses }) => [
    ...(flags.includes('transmit') ? groupAddresses.slice(0, 1) : []),
    ...(flags.includes('read') || flags.includes('initialise') ? groupAddresses : []),
  ])
  const hears = objects.flatMap(({ flags, groupAddresses }) =>
    flags.some((flag) => flag === 'write' || flag === 'update' || flag === 'read') ? groupAddresses : [],
  )
  return { objects, recipients: routesTo(sends, before.recipients), publishers: routesTo(hears, before.publishers) }
}

function routesTo(addresses: readonly number[], before: readonly GroupRoute[]): readonly GroupRoute[] {
  const routes = new Map<number, GroupRoute>()
  const wanted = [...new Set(addresses)]
  const isFor = (route: GroupRoute, address: number): boolean => route.groupAddresses.length === 1 && route.groupAddresses[0] === address
  for (const address of wanted) {
    const known = before.find((route) => isFor(route, address) && !routes.has(route.id))
    if (known !== undefined) routes.set(known.id, { ...known, groupId: groupIdOf(address) })
  }
  for (const address of wanted) {
    if ([...routes.values()].some((route) => isFor(route, address))) continue
    const id = freeId(routes)
    routes.set(id, { id, groupAddresses: [address], groupId: groupIdOf(address) })
  }
  return [...routes.values()]
}

function freeId(taken: ReadonlyMap<number, unknown>): number {
  let id = 1
  while (taken.has(id)) id++
  return id
}

/** Whether the device hears or sends the group address by its tables. */
export function isRouted({ recipients, publishers }: KnxTables, groupAddress: number): boolean {
  return [...recipients, ...publishers].some(
    (route) => route.groupAddresses.includes(groupAddress) && route.groupId === groupIdOf(groupAddress),
  )
}
