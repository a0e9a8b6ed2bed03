// The site's Group Manager as the group engine needs it: security groups of the project in its terms, devices by their ids.
import { toAppError, toHex, type Curve, type Logger } from '#main/base/index.ts'
import { rolesOf, type GroupConfiguration, type GroupManager, type GroupStatus } from '#main/services/group-manager/index.ts'
import { suites, type KeyManager, type ManagedGroup, type SecurityGroupRecord } from '#main/site/groups/index.ts'
import { TOOL, type ToolMembership } from './security-tool.ts'

const DAY_S = 86_400
const MINUTE_MS = 60_000
/** ECDH-SS with HKDF-256 (RFC 9053 §6.3.1), as the suites' SHA-256 asks for. */
const ECDH_SS_HKDF_256 = -27
const CURVES: ReadonlyMap<number, Curve> = new Map([
  [-8, 'Ed25519'],
  [-7, 'P-256'],
])

export function createKeyManager(manager: GroupManager, tool: ToolMembership, logger: Logger): KeyManager & { close(): void } {
  const listeners = new Set<(name: string) => void>()
  const tell = (name: string): void => {
    for (const listener of listeners) listener(name)
  }
  const ends = [
    manager.onEvent(({ kind, group, identity }) => {
      if (kind === 'deleted') tool.forget(group)
      // Nobody but the tool waits for these; what it hears of itself comes by its own way.
      else if (identity !== TOOL && (kind === 'joined' || kind === 'renewed' || kind === 'left' || kind === 'evicted')) tool.learn(group)
      tell(group)
    }),
    tool.onChange(tell),
  ]
  const joinInTime = (name: string): void => {
    tool
      .join(name)
      .catch((thrown: unknown) => logger.warn({ code: toAppError(thrown).code, group: name }, 'the tool is no member of a security group'))
  }

  return {
    group: (name) => (manager.hasGroup(name) ? managedOf(manager.status(name)) : undefined),
    members: (name) =>
      manager.hasGroup(name)
        ? manager
            .members(name)
            .flatMap(({ identity, generation, keys, reachable, failures }) =>
              identity === TOOL ? [] : [{ identity, generation, keys, reachable, failures }],
            )
        : [],
    ensure(group, applicationGroups) {
      const wanted = configurationOf(group, applicationGroups)
      if (!manager.hasGroup(group.name)) {
        manager.createGroup(group.name, {
          ...wanted,
          groupMode: wanted.groupMode ?? false,
          pairwiseMode: wanted.pairwiseMode ?? false,
          active: true,
        })
      } else {
        const present = manager.status(group.name).configuration
        const next: GroupConfiguration = { ...present, ...wanted }
        if (!sameConfiguration(present, next)) manager.configure(group.name, next)
      }
      joinInTime(group.name)
    },
    toolJoined: (name) => tool.join(name),
    remove(name) {
      tool.forget(name)
      if (manager.hasGroup(name)) manager.deleteGroup(name, { force: true })
    },
    authorise(deviceId, groups) {
      if (groups.length === 0) manager.withdraw(deviceId)
      else {
        manager.authorise({
          identity: deviceId,
          groups: groups.map(({ name, roles }) => ({
            group: name,
            roles: rolesOf([...(roles.requester ? (['requester'] as const) : []), ...(roles.responder ? (['responder'] as const) : [])]),
          })),
        })
      }
    },
    rekey: (name) => managedOf(manager.rekeyNow(name)),
    evict: (name, deviceIds) => managedOf(manager.evict(name, deviceIds, { forGood: true })),
    toolIsMember: (name) => tool.group(name) !== undefined,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      for (const end of ends) end()
    },
  }
}

type Wanted = Pick<GroupConfiguration, 'hkdf' | 'groupMode' | 'pairwiseMode' | 'curve' | 'applicationGroups' | 'rekeying' | 'description'>

function configurationOf({ suite, policy, comment }: SecurityGroupRecord, applicationGroups: readonly string[]): Wanted {
  const { groupEncryption, signature, aead, hkdf } = suites[suite]
  const { rekeyOnJoin, rekeyAfterLeaves, rekeyWithinMinutes, lifetimeDays } = policy
  return {
    hkdf,
    groupMode: { encryption: groupEncryption, signature },
    pairwiseMode: aead === null ? undefined : { aead, keyAgreement: ECDH_SS_HKDF_256 },
    curve: CURVES.get(signature) ?? 'Ed25519',
    applicationGroups: [...applicationGroups].sort().slice(0, 256),
    description: comment === '' ? null : comment,
    rekeying: {
      onJoin: rekeyOnJoin,
      afterLeaves: rekeyAfterLeaves,
      withinMs: rekeyWithinMinutes * MINUTE_MS,
      lifetimeS: lifetimeDays * DAY_S,
    },
  }
}

function sameConfiguration(a: GroupConfiguration, b: GroupConfiguration): boolean {
  return canonical(a) === canonical(b)
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}

function managedOf({ name, generation, gid, rekeyedAtMs, expiresAtMs, leavesWaiting, rekeyDueAtMs }: GroupStatus): ManagedGroup {
  return { name, generation, gid: toHex(gid), rekeyedAtMs, expiresAtMs, leavesWaiting, rekeyDueAtMs }
}
