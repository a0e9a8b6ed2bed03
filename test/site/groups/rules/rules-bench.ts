// Rules over an engine of doubles, with a security layer that a test scripts.
import { KeyedFeed, type AppError } from '#main/base/index.ts'
import { createRemedies, RuleBook, type AllocationPolicy, type RemedyPorts } from '#main/site/groups/index.ts'
import { allocationSettings, namingSettings } from '#contract/model.ts'
import type {
  AllocationSettings,
  FindingRow,
  GroupProtectionRow,
  GroupRule,
  NamingSettings,
  RemedyId,
  SecurityFindingRow,
  SecurityMemberRow,
} from '#contract/model.ts'
import { createBench } from '../doubles.ts'

export interface RulesBenchOptions {
  readonly naming?: Partial<NamingSettings>
  readonly allocation?: Partial<AllocationSettings>
  readonly mesh?: boolean
}

export function createRulesBench(deviceCount: number, options: RulesBenchOptions = {}) {
  let naming = namingSettings.parse(options.naming ?? {})
  let settings = allocationSettings.parse(options.allocation ?? {})
  const places = new Map<string, number>()
  const mesh = options.mesh ?? true
  const allocation: AllocationPolicy = {
    prefixId: 'site-1',
    get settings() {
      return settings
    },
    get scope() {
      return mesh ? ('realm-local' as const) : ('site-local' as const)
    },
    scopeFor: (members) => {
      const channels = new Set(members.map((id) => bench.devices.get(id)?.channelId))
      return channels.size === 1 && mesh ? 'realm-local' : 'site-local'
    },
    get port() {
      return naming.method === 'port' ? ('own' as const) : settings.port
    },
  }
  const bench = createBench(deviceCount, { allocation, naming: () => naming })
  const security = {
    protections: new KeyedFeed<GroupProtectionRow>((row) => row.groupId),
    members: new KeyedFeed<SecurityMemberRow>((row) => row.key),
    findings: new KeyedFeed<SecurityFindingRow>((row) => row.id),
  }
  const rules = new RuleBook({
    groups: bench.engine,
    devices: bench.devices,
    security,
    naming: () => naming,
    allocation,
    siteName: () => 'Site',
    hasMesh: () => mesh,
    isMesh: () => mesh,
    placesOf: (id) => places.get(id) ?? null,
    clock: bench.clock,
  })
  const done: string[] = []
  const ports: RemedyPorts = {
    rules,
    groups: bench.engine,
    security: {
      protect: (ids, how) => void done.push(`protect ${ids.join(',')} ${how.mode}`),
      rekey: (id) => done.push(`rekey ${id}`),
      remove: (id) => void done.push(`remove ${id}`),
    },
    setNaming: (patch) => setNaming(patch),
    setAllocation: (patch) => setAllocation(patch),
    apply: (lines) => {
      done.push(`apply ${lines.length}`)
      return 'job-1'
    },
  }
  const remedy = createRemedies(ports)
  function setNaming(patch: Partial<NamingSettings>): void {
    naming = { ...naming, ...patch }
    bench.engine.book.namingChanged()
    rules.settingsChanged()
  }
  function setAllocation(patch: Partial<AllocationSettings>): void {
    settings = { ...settings, ...patch }
    rules.settingsChanged()
  }
  const findings = (): readonly FindingRow[] => {
    rules.flush()
    return rules.feed.rows()
  }
  return {
    ...bench,
    rules,
    security,
    places,
    done,
    remedy,
    setNaming,
    setAllocation,
    findings,
    /** Ids of the findings of a rule. */
    of: (rule: GroupRule) => findings().filter((row) => row.rule === rule),
    /** Presses the remedy of the only finding of a rule. */
    press(rule: GroupRule, id: RemedyId) {
      const [only, ...more] = findings().filter((row) => row.rule === rule)
      if (only === undefined || more.length > 0) throw new RangeError(`${rule}: ${more.length} findings too many`)
      return remedy(only.id, id)
    },
  }
}

export function codeOf(work: () => unknown): string {
  try {
    work()
    return 'done'
  } catch (thrown) {
    return (thrown as AppError).code
  }
}
