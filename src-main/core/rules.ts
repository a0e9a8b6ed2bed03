// The checks of an open site's groups, and what the site has chosen for the names and addresses of its groups, kept with the site file.
import { AppError, KeyedFeed, type Clock, type DeviceId } from '#main/base/index.ts'
import { capacityOf, type DeviceProfile, type Inventory } from '#main/site/devices/index.ts'
import {
  AddressHolds,
  checkAllocation,
  createRemedies,
  namingFault,
  previewOf,
  RuleBook,
  type AddressedGroup,
  type AddressHold,
  type AllocationPolicy,
  type GroupEngine,
  type RemedyResult,
} from '#main/site/groups/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { allocationSettings, namingSettings } from '#contract/model.ts'
import type { AllocationSettings, FindingRow, GroupSettingsRow, NamingPreview, NamingSettings, RemedyId } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import { mirror } from './mirror.ts'
import type { SiteSecurity } from './security.ts'

const NAMING = 'groupNaming'
const ALLOCATION = 'groupAllocation'
const HELD = 'groupAddressesHeld'
/** A name that is as long as most, where no group is there to show. */
const SAMPLE: AddressedGroup = { name: '2.14-light', address: 'ff33:30:fd00::8000:1', port: 5683 }
const SEVERITIES = { error: 0, warning: 1, advice: 2 } as const

export interface SiteRulesPorts {
  readonly file: SiteFile
  readonly clock: Clock
  /** Channels as they are now, and whether there are dongles that are not up. */
  readonly channels: () => ReadonlyArray<{ readonly channelId: string; readonly isMesh: boolean }>
  readonly dongles: () => number
}

export interface RulesConnections {
  readonly groups: GroupEngine
  readonly inventory: Inventory
  readonly profiles: readonly DeviceProfile[]
  readonly security: Pick<SiteSecurity, 'engine'>
  readonly jobs: JobService
}

export interface SiteRules {
  /** For the group engine. */
  readonly allocation: AllocationPolicy
  readonly naming: () => NamingSettings
  readonly findingFeed: KeyedFeed<FindingRow>
  readonly settingsFeed: KeyedFeed<GroupSettingsRow>
  /** Once the parts are there that are checked. */
  connect(connections: RulesConnections): void
  /** Errors first. */
  check(): readonly FindingRow[]
  /** Throws `rules.not-found`, and what the edits throw. */
  remedy(findingId: string, remedyId: RemedyId): RemedyResult
  preview(input: OpParsed<'naming.preview'>): readonly NamingPreview[]
  setNaming(patch: Partial<NamingSettings>): void
  /** Throws `group.address-invalid`. */
  setAllocation(patch: Partial<AllocationSettings>): void
  release(addresses: readonly string[]): void
  close(): void
}

export function createSiteRules({ file, clock, channels, dongles }: SiteRulesPorts): SiteRules {
  const meta = file.meta()
  const isDemo = meta.kind === 'demo'
  const findingFeed = new KeyedFeed<FindingRow>((row) => row.id)
  const settingsFeed = new KeyedFeed<GroupSettingsRow>((row) => row.key)
  let naming = namingSettings.safeParse(file.getMeta(NAMING) ?? {}).data ?? namingSettings.parse({})
  let settings = allocationSettings.safeParse(file.getMeta(ALLOCATION) ?? {}).data ?? allocationSettings.parse({})
  let connected: { readonly connections: RulesConnections; readonly rules: RuleBook; readonly names: Map<DeviceId, string> } | undefined
  let remedies: ReturnType<typeof createRemedies> | undefined
  const ends: Array<() => void> = []

  const holds = new AddressHolds(heldIn(file), {
    save(all) {
      file.setMeta(
        HELD,
        all.map(({ address, deviceId, deviceName, groupId, since }) => ({ address, deviceId, deviceName, groupId, since })),
      )
      show()
    },
    now: () => clock.now(),
    isKnown: (id) => connected?.connections.inventory.get(id) !== undefined,
    nameOf: (id) => connected?.connections.inventory.get(id)?.name ?? connected?.names.get(id) ?? id,
  })
  const isMesh = (channelId: string): boolean => isDemo || channels().some((each) => each.channelId === channelId && each.isMesh)
  const allocation: AllocationPolicy = {
    prefixId: meta.id,
    holds,
    get settings() {
      return settings
    },
    // A mesh is a realm of its own (RFC 7346 §2): behind one dongle nothing wider is needed.
    get scope() {
      return isDemo || dongles() === 1 ? ('realm-local' as const) : ('site-local' as const)
    },
    scopeFor(members) {
      const reached = new Set(members.flatMap((id) => connected?.connections.inventory.get(id)?.channelId ?? []))
      const [only] = reached
      if (only === undefined) return this.scope ?? 'site-local'
      return reached.size === 1 && isMesh(only) ? 'realm-local' : 'site-local'
    },
    get port() {
      return naming.method === 'port' ? ('own' as const) : settings.port
    },
  }

  function show(): void {
    const held = new Map<string, { address: string; since: number; devices: string[] }>()
    for (const { address, since, deviceName } of holds.all()) {
      const known = held.get(address) ?? { address, since, devices: [] }
      held.set(address, { ...known, since: Math.min(known.since, since), devices: [...new Set([...known.devices, deviceName])] })
    }
    const scope = settings.policy === 'ipv4' ? 'ipv4' : settings.scope === 'auto' ? (allocation.scope ?? 'site-local') : settings.scope
    settingsFeed.set({ key: 'groupSettings', naming, allocation: settings, scope, held: [...held.values()] })
  }

  function setNaming(patch: Partial<NamingSettings>): void {
    const wanted = namingSettings.parse({ ...naming, ...patch })
    const fault = wanted.method === 'host-label' ? namingFault(wanted, SAMPLE) : undefined
    if (fault !== undefined) throw new AppError('input.invalid', fault, { details: { option: 'domain' } })
    naming = wanted
    file.setMeta(NAMING, { ...naming })
    file.bumpRevision()
    connected?.connections.groups.book.namingChanged()
    connected?.rules.settingsChanged()
    show()
  }

  function setAllocation(patch: Partial<AllocationSettings>): void {
    const wanted = allocationSettings.parse({ ...settings, ...patch })
    checkAllocation(wanted)
    settings = wanted
    file.setMeta(ALLOCATION, { ...settings })
    file.bumpRevision()
    connected?.rules.settingsChanged()
    show()
  }

  function requireRules(): RuleBook {
    if (connected === undefined) throw new AppError('internal', 'The checks are not connected')
    return connected.rules
  }

  return {
    allocation,
    naming: () => naming,
    findingFeed,
    settingsFeed,
    connect(connections) {
      const { groups, inventory, profiles, security } = connections
      const profileOf = new Map(profiles.map((profile) => [profile.id, profile]))
      const names = new Map(inventory.all().map((device) => [device.id, device.name]))
      const rules = new RuleBook({
        groups,
        devices: inventory,
        security: security.engine.feeds,
        naming: () => naming,
        allocation,
        siteName: () => file.meta().name,
        hasMesh: () => isDemo || dongles() > 0 || channels().some((each) => each.isMesh),
        isMesh,
        placesOf: (id) => capacityOf(profileOf.get(inventory.get(id)?.profileId ?? '')).memberships ?? null,
        clock,
      })
      connected = { connections, rules, names }
      remedies = createRemedies({
        rules,
        groups,
        security: security.engine,
        setNaming,
        setAllocation,
        apply: (lineIds, deviceIds) => startApply(connections, file, lineIds, deviceIds),
      })
      const noteNames = inventory.feed.subscribe((ids) => {
        for (const id of ids) {
          const name = inventory.get(id)?.name
          if (name !== undefined) names.set(id, name)
        }
      })
      ends.push(mirror(rules.feed, findingFeed), noteNames, () => rules.close())
      show()
    },
    check() {
      const rules = requireRules()
      rules.flush()
      return rules.feed
        .rows()
        .toSorted((a, b) => SEVERITIES[a.severity] - SEVERITIES[b.severity] || a.subject.name.localeCompare(b.subject.name))
    },
    remedy(findingId, remedyId) {
      requireRules()
      if (remedies === undefined) throw new AppError('internal', 'The checks are not connected')
      return remedies(findingId, remedyId)
    },
    preview({ groupId, name, naming: wished, methods }) {
      const by = wished ?? naming
      const book = connected?.connections.groups.book
      const target = groupId === undefined ? undefined : book?.target(book.group(groupId).id)
      const group = { ...(target ?? SAMPLE), ...(name === undefined ? {} : { name }) }
      return (methods ?? [by.method]).map((method) => previewOf({ ...by, method }, group))
    },
    setNaming,
    setAllocation,
    release: (addresses) => holds.release(addresses),
    close() {
      for (const end of ends.toReversed()) end()
    },
  }
}

function startApply(
  { groups, security, jobs }: RulesConnections,
  file: SiteFile,
  lineIds: readonly string[],
  deviceIds: readonly DeviceId[],
): string | undefined {
  const queued = jobs.queued('apply')
  const isQueued = (id: string): boolean => queued.has(id)
  const concerned = new Set(deviceIds)
  const joins = security.engine.feeds.plan.rows().filter(({ deviceId, blocked }) => concerned.has(deviceId) && blocked === null)
  const items = [
    ...groups.applyItems(lineIds, isQueued),
    ...security.engine.items(
      joins.map(({ id }) => id),
      isQueued,
    ),
  ]
  if (items.length === 0) return undefined
  file.backup('apply')
  return jobs.start('apply', file.meta().name, items)
}

/** What is kept of quarantined addresses; entries that make no sense are left out. */
function heldIn(file: SiteFile): readonly AddressHold[] {
  const kept = file.getMeta(HELD)
  if (!Array.isArray(kept)) return []
  return kept.flatMap((entry: unknown): AddressHold[] => {
    if (typeof entry !== 'object' || entry === null) return []
    const { address, deviceId, deviceName, groupId, since } = entry as Readonly<Record<string, unknown>>
    const isWhole =
      typeof address === 'string' &&
      typeof deviceId === 'string' &&
      typeof deviceName === 'string' &&
      typeof groupId === 'string' &&
      typeof since === 'number'
    return isWhole ? [{ address, deviceId, deviceName, groupId, since }] : []
  })
}
