// Groups as they were found: what servers, directories and device tables say, brought together, and set against the project.
import { toAppError, type DeviceId } from '#main/base/index.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import { canonicalAddress, checkGroupName, checkGroupPort, readGroupAddress, type GroupEngine } from '#main/site/groups/index.ts'
import type { FoundGroup, FoundVerdict, SurveySource } from '#contract/model.ts'
import type { GroupEndpoint, GroupMention, SecurityMention } from './group-links.ts'

/** A member of a found group, or who said so. */
export interface Member {
  readonly deviceId: DeviceId | null
  readonly label: string
  readonly sources: Set<SurveySource>
  /** The entry of its own group table. */
  entry: GroupTableEntry | null
  /** Whether the device itself has said it. */
  isRead: boolean
}

export interface Found {
  readonly key: string
  readonly name: string
  readonly at: GroupEndpoint | null
  readonly types: Set<string>
  readonly sources: Set<SurveySource>
  readonly members: Map<string, Member>
}

/** Who says it: a device of the inventory, or whoever is at that place. */
export interface Speaker {
  readonly deviceId: DeviceId | null
  readonly label: string
}

const MOST_GROUPS = 5000
const MOST_MEMBERSHIPS = 200_000
const MOST_SECURITY_GROUPS = 2000
const TYPES_KEPT = 16
const MEMBERS_SHOWN = 50

type BookView = Pick<GroupEngine['book'], 'groupNamed' | 'target' | 'cell'>

export class FoundGroups {
  readonly #groups = new Map<string, Found>()
  /** Names of security groups by application group. */
  readonly #security = new Map<string, Set<string>>()
  #memberships = 0

  get size(): number {
    return this.#groups.size
  }

  get(key: string): Found | undefined {
    return this.#groups.get(key)
  }

  clear(): void {
    this.#groups.clear()
    this.#security.clear()
    this.#memberships = 0
  }

  /** Endpoints of the groups that have an address, each once. */
  endpoints(): readonly GroupEndpoint[] {
    const all = [...this.#groups.values()].flatMap(({ at }) => at ?? [])
    return [...new Map(all.map((at) => [`${at.address} ${at.port}`, at])).values()]
  }

  /** False where there is no room for more. */
  mention({ name, at, types }: GroupMention, source: SurveySource, speaker: Speaker | undefined, entry?: GroupTableEntry): boolean {
    const group = this.#group(name, at)
    if (group === undefined) return false
    group.sources.add(source)
    for (const type of types) if (group.types.size < TYPES_KEPT) group.types.add(type)
    if (speaker === undefined) return true
    const key = speaker.deviceId ?? ` ${speaker.label}`
    let member = group.members.get(key)
    if (member === undefined) {
      if (this.#memberships >= MOST_MEMBERSHIPS) return false
      this.#memberships++
      member = { ...speaker, sources: new Set(), entry: null, isRead: false }
      group.members.set(key, member)
    }
    member.sources.add(source)
    if (entry !== undefined) member.entry = entry
    if (source === 'table' || source === 'server') member.isRead = true
    return true
  }

  secured({ securityGroup, applicationGroups }: SecurityMention): void {
    for (const name of applicationGroups) {
      const known = this.#security.get(name) ?? new Set<string>()
      if (this.#security.size >= MOST_SECURITY_GROUPS && known.size === 0) return
      if (known.size < TYPES_KEPT) known.add(securityGroup)
      this.#security.set(name, known)
    }
  }

  /** All of them as they stand to the project now, by name. */
  judged(book: BookView): readonly FoundGroup[] {
    const byName = Map.groupBy(this.#groups.values(), (group) => group.name)
    return [...this.#groups.values()]
      .filter((group) => !isTold(group, byName.get(group.name) ?? []))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.key < b.key ? -1 : 1))
      .map((group) => this.#row(group, book, byName.get(group.name) ?? []))
  }

  #group(name: string, at: GroupEndpoint | null): Found | undefined {
    const endpoint = at === null ? null : { address: canonicalAddress(at.address), port: at.port }
    const key = `${endpoint === null ? '?' : `${endpoint.address} ${endpoint.port}`} ${name}`
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    if (this.#groups.size >= MOST_GROUPS) return undefined
    const group: Found = { key, name, at: endpoint, types: new Set(), sources: new Set(), members: new Map() }
    this.#groups.set(key, group)
    return group
  }

  #row(group: Found, book: BookView, namesakes: readonly Found[]): FoundGroup {
    const members = [...group.members.values()]
    const { verdict, here } = judge(group, book, namesakes)
    return {
      key: group.key,
      name: group.name,
      address: group.at?.address ?? null,
      port: group.at?.port ?? 5683,
      verdict,
      here,
      types: [...group.types],
      sources: [...group.sources],
      memberCount: members.length,
      strangers: members.filter(({ deviceId }) => deviceId === null).length,
      members: members.slice(0, MEMBERS_SHOWN).map(({ deviceId, label, sources }) => ({ deviceId, label, sources: [...sources] })),
      securityGroups: [...(this.#security.get(group.name) ?? [])],
    }
  }
}

/** Relative links say less than what is known of all their speakers from elsewhere. */
function isTold(group: Found, namesakes: readonly Found[]): boolean {
  if (group.at !== null) return false
  const placed = namesakes.filter(({ at }) => at !== null)
  return placed.length > 0 && [...group.members.keys()].every((key) => placed.some(({ members }) => members.has(key)))
}

function judge(
  group: Found,
  book: BookView,
  namesakes: readonly Found[],
): { readonly verdict: FoundVerdict; readonly here: GroupEndpoint | null } {
  const project = book.groupNamed(group.name)
  const target = project === undefined || project.retired ? undefined : book.target(project.id)
  const here = target === undefined ? null : { address: target.address, port: target.port }
  if (throws(() => checkGroupName(group.name)) || checkGroupName(group.name) !== group.name) return { verdict: 'name-invalid', here }
  const { at } = group
  if (at === null) return { verdict: 'no-address', here }
  if (throws(() => (readGroupAddress(at.address), checkGroupPort(at.port)))) return { verdict: 'address-invalid', here }
  if (here !== null && project !== undefined) {
    if (here.address !== at.address || here.port !== at.port) return { verdict: 'elsewhere', here }
    const known = [...group.members.values()].every(
      ({ deviceId }) => deviceId === null || book.cell(deviceId, project.id)?.desired === true,
    )
    return { verdict: known ? 'known' : 'more-members', here }
  }
  const several = namesakes.filter((other) => other.at !== null).length > 1
  return { verdict: several ? 'ambiguous' : 'new', here }
}

function throws(work: () => unknown): boolean {
  try {
    work()
    return false
  } catch (thrown) {
    toAppError(thrown)
    return true
  }
}
