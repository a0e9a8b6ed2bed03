// The floors of the house as code: a room imports only lower floors, inside a wing only the order given here,
// other rooms through their face, and nothing goes in a circle.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const main = join(root, 'src-main')

/** Rooms, lowest first. A room may import those of earlier lines, and those named after its own arrow on the same floor. */
const floors: ReadonlyArray<Readonly<Record<string, readonly string[]>>> = [
  { base: [] },
  { 'wire/links': [], 'wire/ip': ['wire/links'], 'wire/coap': [], 'wire/dtls': [], 'wire/oscore': ['wire/coap', 'wire/dtls'] },
  { 'services/rd': [], 'services/proxy': [], 'services/ra': [], 'services/group-manager': [], 'services/join': ['services/ra'] },
  {
    'site/devices': [],
    'site/jobs': [],
    'site/admission': ['site/devices', 'site/jobs'],
    'site/groups': ['site/devices', 'site/jobs'],
    'site/access': [],
    'site/survey': ['site/devices', 'site/jobs', 'site/groups'],
    'site/templates': ['site/devices', 'site/groups'],
    'site/history': ['site/devices', 'site/groups', 'site/templates'],
    'site/exchange': ['site/devices', 'site/jobs', 'site/groups'],
    'site/overview': ['site/devices', 'site/groups', 'site/jobs', 'site/exchange'],
  },
  { core: ['store', 'simulator'] },
  { ipc: [] },
  { hosts: [] },
]

/** Channels are handed in: these never meet, though their floor would let them. */
const strangers: ReadonlyArray<readonly [string, string]> = [
  ['wire/coap', 'wire/ip'],
  ['wire/coap', 'wire/links'],
]

/** Beside the floors: they may use every room below core, and nothing but core uses them. */
const beside = ['store', 'simulator']

const packagesOf: Readonly<Record<string, readonly string[]>> = {
  electron: ['hosts'],
  'better-sqlite3': ['store', 'core'],
  cborg: ['base'],
  pkijs: ['services/ra', 'services/join'],
  asn1js: ['services/ra', 'services/join'],
  pino: ['base'],
  'coap-packet': ['wire/coap', 'simulator'],
  coap: ['simulator'],
  'bonjour-service': ['core'],
  serialport: ['wire/links', 'simulator'],
  jose: ['site/exchange'],
  mqtt: ['site/exchange'],
  commander: ['hosts'],
  ws: ['hosts'],
  yaml: ['site/devices', 'site/exchange'],
  'playwright-core': ['hosts'],
  zod: ['site/devices', 'site/exchange', 'core', 'ipc', 'hosts'],
}

interface Import {
  readonly from: string
  readonly file: string
  readonly specifier: string
  readonly typeOnly: boolean
}

function sources(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|vue)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(file, 'utf8')
  const pattern =
    /^\s*(?:import|export)\s+(type\s)?[^'"`;]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm
  return [...text.matchAll(pattern)].map((match) => ({
    from: file,
    file: relative(root, file),
    specifier: match[2] ?? match[3] ?? match[4] ?? '',
    typeOnly: match[1] !== undefined,
  }))
}

function roomOf(path: string): string {
  const inside = relative(main, path)
  if (inside === 'core.ts' || inside.startsWith('core/')) return 'core'
  const parts = inside.split('/')
  return ['wire', 'services', 'site'].includes(parts[0] ?? '') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

function targetOf(edge: Import): string | undefined {
  if (edge.specifier.startsWith('#main/')) return join(main, edge.specifier.slice('#main/'.length))
  if (edge.specifier.startsWith('.')) return normalize(join(dirname(edge.from), edge.specifier))
  return undefined
}

function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  const floorOf = (room: string): number => floors.findIndex((floor) => room in floor)
  const core = floorOf('core')
  if (beside.includes(from)) return to === 'base' || (floorOf(to) >= 0 && floorOf(to) < core)
  if (floors[floorOf(from)]?.[from]?.includes(to)) return true
  if (beside.includes(to)) return false
  if (strangers.some((pair) => pair.includes(from) && pair.includes(to))) return false
  return floorOf(to) >= 0 && floorOf(to) < floorOf(from)
}

const mainEdges = sources(main).flatMap(importsOf)

describe('the floors of src-main', () => {
  it('knows every room', () => {
    const known = new Set([...floors.flatMap((floor) => Object.keys(floor)), ...beside])
    const rooms = new Set(sources(main).map(roomOf))
    expect([...rooms].filter((room) => !known.has(room))).toEqual([])
  })

  it('lets a room import lower floors only', () => {
    const wrong = mainEdges.flatMap((edge) => {
      const target = targetOf(edge)
      if (!target?.startsWith(main)) return []
      return mayImport(roomOf(edge.from), roomOf(target)) ? [] : [`${edge.file} → ${edge.specifier}`]
    })
    expect(wrong).toEqual([])
  })

  it('enters other rooms through their face', () => {
    const wrong = mainEdges.flatMap((edge) => {
      const target = targetOf(edge)
      if (target === undefined || roomOf(target) === roomOf(edge.from) || !target.startsWith(main)) return []
      return target.endsWith('/index.ts') || target === join(main, 'core.ts') ? [] : [`${edge.file} → ${edge.specifier}`]
    })
    expect(wrong).toEqual([])
  })

  it('keeps each package in its rooms', () => {
    const wrong = mainEdges.flatMap((edge) => {
      const name = edge.specifier
        .split('/')
        .slice(0, edge.specifier.startsWith('@') ? 2 : 1)
        .join('/')
      const rooms = packagesOf[name]
      return rooms === undefined || rooms.includes(roomOf(edge.from)) ? [] : [`${edge.file} → ${edge.specifier}`]
    })
    expect(wrong).toEqual([])
  })

  it('keeps Electron inside hosts/electron', () => {
    const wrong = mainEdges.filter((edge) => edge.specifier === 'electron' && !edge.file.startsWith('src-main/hosts/electron/'))
    expect(wrong.map((edge) => edge.file)).toEqual([])
  })

  it('calls node:crypto from base only', () => {
    const wrong = mainEdges.filter((edge) => edge.specifier === 'node:crypto' && roomOf(edge.from) !== 'base')
    expect(wrong.map((edge) => edge.file)).toEqual([])
  })

  it('gives every room a face of at most 30 lines and a README of 5 to 20 lines', () => {
    const rooms = [...new Set(sources(main).map(roomOf))].filter((room) => room !== 'hosts' && room !== 'core')
    const wrong = rooms.flatMap((room) => {
      const lines = (name: string): number =>
        readFileSync(join(main, room, name), 'utf8')
          .trimEnd()
          .split('\n').length
      return [
        ...(lines('index.ts') > 30 ? [`${room}/index.ts has ${lines('index.ts')} lines`] : []),
        ...(lines('README.md') > 20 || lines('README.md') < 5 ? [`${room}/README.md has ${lines('README.md')} lines`] : []),
      ]
    })
    expect(wrong).toEqual([])
  })

  it('has no circle of files', () => {
    const next = new Map<string, readonly string[]>()
    for (const file of sources(main)) {
      const targets = importsOf(file).map(targetOf)
      next.set(
        file,
        targets.filter((target) => target !== undefined),
      )
    }
    expect(findCircle(next)).toEqual([])
  })
})

describe('the walls between the environments', () => {
  it('lets the contract import zod and itself only', () => {
    const edges = sources(join(root, 'src-preload/contract')).flatMap(importsOf)
    expect(edges.filter((edge) => edge.specifier !== 'zod' && !/^\.\.?\//.test(edge.specifier)).map((edge) => edge.file)).toEqual([])
  })

  it('lets the window know the types of the contract and nothing of src-main', () => {
    const edges = sources(join(root, 'src-renderer')).flatMap(importsOf)
    const wrong = edges.filter(
      (edge) =>
        edge.specifier.startsWith('#main') ||
        edge.specifier.includes('src-main') ||
        (edge.specifier.startsWith('#contract') && !edge.typeOnly),
    )
    expect(wrong.map((edge) => `${edge.file} → ${edge.specifier}`)).toEqual([])
  })
})

function findCircle(next: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  const visit = (file: string): readonly string[] | undefined => {
    if (state.get(file) === 'done') return undefined
    if (state.get(file) === 'open') return [...trail.slice(trail.indexOf(file)), file].map((entry) => relative(root, entry))
    state.set(file, 'open')
    trail.push(file)
    for (const target of next.get(file) ?? []) {
      const circle = visit(target)
      if (circle !== undefined) return circle
    }
    trail.pop()
    state.set(file, 'done')
    return undefined
  }
  for (const file of next.keys()) {
    const circle = visit(file)
    if (circle !== undefined) return circle
  }
  return []
}
