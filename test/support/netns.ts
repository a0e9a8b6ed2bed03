// A small network for tests: a bridge in this process's own network namespace, and namespaces with one interface each on it, so that
// programs in them are hosts of their own with IPv6 and IPv4, link-local and multicast included. Needs Linux, root and iproute2.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { findPeer, start, type RunningPeer } from './peers.ts'

export interface LabHost {
  readonly namespace: string
  /** Its interface, inside. */
  readonly zone: string
  readonly linkLocal: string
  readonly ipv6: string
  readonly ipv4: string
  /** Runs a program there. */
  start(program: string, args: readonly string[]): RunningPeer
  /** The words that run a program there, for other ways to run it. */
  readonly prefix: readonly string[]
}

export interface Lab {
  /** The bridge, here. */
  readonly zone: string
  readonly linkLocal: string
  readonly ipv6: string
  readonly ipv4: string
  readonly hosts: readonly LabHost[]
  close(): void
}

const INSIDE = 'eth0'
const NAMES = /^gw-(\d+)-\d+/

/** Why there can be no lab; undefined where there can. */
function obstacle(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  if (findPeer(['ip']) === undefined) return 'ip (iproute2) is not installed'
  const [namespace, bridge] = [`gw-${process.pid}-0`, `gwb${process.pid}`]
  const made = spawnSync('ip', ['-batch', '-'], { input: `netns add ${namespace}\nlink add ${bridge} type bridge\n`, encoding: 'utf8' })
  remove([namespace], bridge)
  return made.status === 0 ? undefined : `no network namespace or bridge can be made: ${made.stderr.trim()}`
}

/** A block of tests that need the network and, where named, a program; both are handed to them. */
export function describeInLab(
  title: string,
  hosts: number,
  programs: readonly string[],
  tests: (lab: () => Lab, program: string) => void,
): void {
  const program = programs.length === 0 ? '' : findPeer(programs)
  const missing = obstacle() ?? (program === undefined ? `none of ${programs.join(', ')} is installed` : undefined)
  if (missing !== undefined) {
    if (process.env.CI !== undefined && process.env.CI !== '') {
      it(title, () => {
        throw new Error(`${title}: ${missing}`)
      })
      return
    }
    console.log(`skipped: ${title}: ${missing}`)
  }
  describe.skipIf(missing !== undefined)(title, () => {
    let lab: Lab | undefined
    beforeAll(() => {
      lab = openLab(hosts)
    })
    afterAll(() => lab?.close())
    tests(() => lab!, program ?? '')
  })
}

export function openLab(count: number): Lab {
  removeLeftovers()
  const bridge = `gwb${process.pid}`
  const names = Array.from({ length: count }, (_, index) => `gw-${process.pid}-${index + 1}`)
  // Prefixes of its own, so that two runs on one machine do not meet (RFC 3849, RFC 2544).
  const prefix = { ipv6: ((process.pid & 0x7fff) + 1).toString(16), ipv4: process.pid % 256 }
  const addresses = (number: number): { linkLocal: string; ipv6: string; ipv4: string } => ({
    linkLocal: `fe80::${prefix.ipv6}:${number.toString(16)}`,
    ipv6: `2001:db8:77:${prefix.ipv6}::${number.toString(16)}`,
    ipv4: `198.18.${prefix.ipv4}.${number}`,
  })
  const addressing = (device: string, number: number): string[] => {
    const own = addresses(number)
    return [
      // Without duplicate address detection the addresses can be used at once.
      `link set ${device} addrgenmode none`,
      `address add ${own.linkLocal}/64 dev ${device} nodad`,
      `address add ${own.ipv6}/64 dev ${device} nodad`,
      `address add ${own.ipv4}/24 dev ${device}`,
      `link set ${device} up`,
    ]
  }
  try {
    batch([], [`link add ${bridge} type bridge mcast_snooping 0`, ...addressing(bridge, 1)])
    for (const [index, namespace] of names.entries()) {
      const port = `gw${process.pid}p${index + 1}`
      batch(
        [],
        [
          `netns add ${namespace}`,
          `link add ${port} type veth peer name ${INSIDE} netns ${namespace}`,
          `link set ${port} addrgenmode none`,
          `link set ${port} master ${bridge} up`,
        ],
      )
      batch(['-n', namespace], ['link set lo up', ...addressing(INSIDE, index + 2), `route add 224.0.0.0/4 dev ${INSIDE}`])
    }
  } catch (thrown) {
    remove(names, bridge)
    throw thrown
  }
  return {
    zone: bridge,
    ...addresses(1),
    hosts: names.map((namespace, index) => {
      const prefix = ['ip', 'netns', 'exec', namespace]
      return {
        namespace,
        zone: INSIDE,
        ...addresses(index + 2),
        prefix,
        start: (program, args) => start('ip', [...prefix.slice(1), program, ...args]),
      }
    }),
    close: () => remove(names, bridge),
  }
}

function batch(before: readonly string[], lines: readonly string[]): void {
  const done = spawnSync('ip', [...before, '-batch', '-'], { input: `${lines.join('\n')}\n`, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`ip failed: ${done.stderr.trim()}`)
}

/** The far ends of the pairs go with their namespaces. */
function remove(namespaces: readonly string[], bridge: string): void {
  spawnSync('ip', ['link', 'del', bridge])
  for (const namespace of namespaces) spawnSync('ip', ['netns', 'del', namespace])
}

/** What a run that was killed has left behind would have the same addresses. */
function removeLeftovers(): void {
  const listed = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout.split('\n')
  const left = new Map<string, string[]>()
  for (const line of listed) {
    const owner = NAMES.exec(line)?.[1]
    const name = line.split(' ')[0]
    if (owner !== undefined && name !== undefined && !existsSync(`/proc/${owner}`)) left.set(owner, [...(left.get(owner) ?? []), name])
  }
  for (const [owner, names] of left) remove(names, `gwb${owner}`)
}
