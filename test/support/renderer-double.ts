// A double of the core for the window: believable rows in memory behind the contract's Bridge, so that views can be looked at and
// measured without a core. Effects on the plan happen at once; discovery and jobs take their time.
import type { Bridge } from '#contract/bridge.ts'
import type { FeedMessage, FeedName, FeedRow } from '#contract/feeds.ts'
import type { DeviceRow, JobRow, PreferencesRow, SessionRow } from '#contract/model.ts'
import type { OpInput, OpName, OpOutput, Reply } from '#contract/ops.ts'
import { keyOf, makeRows } from './renderer-rows.ts'
import type { Rows } from './renderer-rows.ts'
import { previewOf } from './renderer-import.ts'

export interface DoubleOptions {
  readonly devices: number
  readonly siteOpen?: boolean
  readonly theme?: PreferencesRow['theme']
  readonly locale?: PreferencesRow['locale']
}

type Handlers = { [Name in OpName]?: (input: OpInput<Name>) => OpOutput<Name> | Promise<OpOutput<Name>> }
type Listener = (message: FeedMessage) => void

/** A row with what a patch names. */
function merged<Row extends object>(row: Row, patch: object): Row {
  return Object.assign({ ...row }, patch)
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export function createRendererDouble(options: DoubleOptions): Bridge {
  const site = makeRows(options.devices)
  const none = makeRows(0)
  let rows: Rows = options.siteOpen === false ? none : site
  const versions = new Map<FeedName, number>()
  const listeners = new Map<FeedName, Set<Listener>>()
  const session: SessionRow = { ...site.session }
  const preferences: PreferencesRow = {
    key: 'preferences',
    locale: options.locale ?? 'en',
    theme: options.theme ?? 'system',
    density: 'normal',
    views: {},
  }
  rows = { ...rows, session: options.siteOpen === false ? { ...session, site: null } : session, preferences }

  function snapshotOf(feed: FeedName): ReadonlyArray<FeedRow<FeedName>> {
    if (feed === 'session') return [rows.session]
    if (feed === 'preferences') return [rows.preferences]
    return [...rows.lists[feed].values()]
  }
  function send(feed: FeedName, message: FeedMessage): void {
    for (const listener of listeners.get(feed) ?? []) listener(structuredClone(message))
  }
  function snapshot(feed: FeedName): FeedMessage {
    return { kind: 'snapshot', version: versions.get(feed) ?? 0, rows: snapshotOf(feed) }
  }
  function change(feed: FeedName, upsert: ReadonlyArray<FeedRow<FeedName>>, remove: readonly string[] = []): void {
    const version = (versions.get(feed) ?? 0) + 1
    versions.set(feed, version)
    if (feed !== 'session' && feed !== 'preferences') {
      for (const key of remove) rows.lists[feed].delete(key)
      for (const row of upsert) rows.lists[feed].set(keyOf(feed, row), row)
    }
    send(feed, { kind: 'delta', version, upsert, remove })
  }
  function setSession(patch: Partial<SessionRow>): void {
    rows = { ...rows, session: { ...rows.session, ...patch } }
    change('session', [rows.session])
  }
  const device = (id: string): DeviceRow => rows.lists.devices.get(id) as DeviceRow

  async function runJob(title: string, ids: readonly string[]): Promise<void> {
    const id = `job-${rows.lists.jobs.size + 1}`
    const counts = { pending: ids.length, running: 0, ok: 0, warning: 0, failed: 0, skipped: 0 }
    let job: JobRow = {
      id,
      kind: 'identify',
      title,
      state: 'running',
      counts,
      total: ids.length,
      createdAt: Date.now(),
      finishedAt: null,
      remainingMs: null,
      retryOf: null,
      failure: null,
    }
    change('jobs', [job])
    for (const [index, deviceId] of ids.entries()) {
      await wait(60)
      const state = index % 17 === 5 ? ('failed' as const) : ('ok' as const)
      const failure =
        state === 'ok' ? null : { code: 'coap.timeout', message: 'no answer from [fd00::21]:5683', retryable: true, details: {} }
      change('jobItems', [
        {
          key: `${id} ${index}`,
          jobId: id,
          index,
          subject: deviceId,
          label: device(deviceId).name,
          state,
          attempts: 1,
          at: Date.now(),
          failure,
        },
      ])
      job = {
        ...job,
        counts: { ...job.counts, pending: job.counts.pending - 1, [state]: job.counts[state] + 1 },
        remainingMs: (ids.length - index) * 60,
      }
      change('jobs', [job])
    }
    change('jobs', [{ ...job, state: 'done', finishedAt: Date.now(), remainingMs: null }])
  }

  const handlers: Handlers = {
    'site.recent': () => [
      {
        handle: '1',
        name: 'Office building North',
        fileName: 'office-building-north.site',
        kind: 'network',
        openedAt: Date.now() - 3_600_000,
        exists: true,
      },
      { handle: '2', name: 'Demo office', fileName: 'demo-office.site', kind: 'demo', openedAt: Date.now() - 86_400_000 * 2, exists: true },
      {
        handle: '3',
        name: 'School annex',
        fileName: 'school-annex.site',
        kind: 'network',
        openedAt: Date.now() - 86_400_000 * 40,
        exists: false,
      },
    ],
    'site.interfaces': () => [
      { name: 'lo', address: '::1', family: 'IPv6', internal: true },
      { name: 'lo', address: '127.0.0.1', family: 'IPv4', internal: true },
      { name: 'enp3s0', address: '192.168.20.14', family: 'IPv4', internal: false },
      { name: 'wpan0', address: 'fd00:aa::14', family: 'IPv6', internal: false },
    ],
    'rd.addressOptions': () => [
      { address: 'fd00:aa::14', lifetimeS: 90_000, hex: '2903000000015f90fd0000aa000000000000000000000014', text: '' },
    ],
    'site.create': () => {
      rows = { ...site, session: { ...site.session }, preferences: rows.preferences }
      setSession({})
      for (const feed of listeners.keys()) send(feed, snapshot(feed))
      return { handle: '1' }
    },
    'site.close': () => {
      rows = { ...none, session: { ...session, site: null }, preferences: rows.preferences }
      for (const feed of listeners.keys()) send(feed, snapshot(feed))
    },
    'site.update': (patch) => {
      const open = rows.session.site
      if (open !== null) setSession({ site: { ...open, details: merged(open.details, patch) } })
    },
    'preferences.set': (patch) => {
      rows = { ...rows, preferences: merged(rows.preferences, patch) }
      change('preferences', [rows.preferences])
    },
    'preflight.run': async () => {
      await wait(400)
    },
    'devices.update': ({ ids, patch }) => {
      change(
        'devices',
        ids.map((id) => merged(device(id), patch)),
      )
    },
    'devices.remove': ({ ids }) => {
      change('devices', [], ids)
    },
    'devices.identify': ({ ids }) => {
      void runJob(`Blink ${ids.length} devices`, ids)
      return { jobId: `job-${rows.lists.jobs.size}` }
    },
    'devices.detail': ({ id }) => ({
      id,
      resources: [
        {
          href: '/dev',
          attributes: [
            { name: 'rt', value: 'gw.device' },
            { name: 'ct', value: '50' },
          ],
        },
        {
          href: '/groups',
          attributes: [
            { name: 'rt', value: 'gw.groups' },
            { name: 'ct', value: '50' },
          ],
        },
        {
          href: '/state',
          attributes: [
            { name: 'rt', value: 'gw.luminaire' },
            { name: 'obs', value: null },
          ],
        },
      ],
      history: [
        {
          at: Date.now() - 60_000,
          source: 'test',
          event: 'test-passed',
          params: { group: '2.14-light', action: 'on', verdict: 'heard' },
          failure: null,
        },
        { at: Date.now() - 300_000, source: 'apply', event: 'configured', params: { groups: 2 }, failure: null },
        {
          at: Date.now() - 420_000,
          source: 'apply',
          event: 'apply-failed',
          params: { group: '2.14-light' },
          failure: { code: 'coap.timeout', message: 'no answer after 4 attempts', retryable: true, details: {} },
        },
        { at: Date.now() - 900_000, source: 'registration', event: 'heard-first', params: { address: '[fd00::21]:5683' }, failure: null },
        { at: Date.now() - 1_200_000, source: 'import', event: 'imported', params: { line: 22 }, failure: null },
      ],
    }),
    'devices.create': (input) => {
      const id = `new-${rows.lists.devices.size}`
      const first = [...site.lists.devices.values()][0] as DeviceRow
      change('devices', [
        {
          ...first,
          id,
          name: input.name,
          type: input.type,
          roomId: input.roomId,
          eui64: input.eui64,
          serial: input.serial,
          state: 'planned',
          address: null,
          lastHeardAt: null,
          groups: 0,
        },
      ])
      return { id }
    },
    'demo.deviceList': () => ({
      fileName: 'demo-devices.csv',
      text: `Name;Type;Room;EUI-64;Serial\n${[...site.lists.devices.values()]
        .slice(0, 60)
        .map((row, index) => {
          const each = row as DeviceRow
          return `${each.name};${index === 7 ? 'lamp post' : each.type};2.14;${index === 3 ? '02-00-FF' : (each.eui64 ?? '')};${each.serial ?? ''}`
        })
        .join('\n')}\n`,
    }),
    'devices.importPreview': (input) => previewOf(input),
    'devices.importApply': (input) => {
      const { counts } = previewOf(input)
      return { created: counts.new, updated: counts.changed, skipped: counts.invalid + counts.duplicate }
    },
    'discovery.start': async () => {
      const started = Date.now()
      const row = {
        key: 'discovery' as const,
        state: 'running' as const,
        startedAt: started,
        deadlineAt: started + 10_000,
        heard: 0,
        added: 0,
        failure: null,
      }
      change('discovery', [row])
      for (let heard = 0; heard < 40; heard += 4) {
        await wait(120)
        change('discovery', [{ ...row, heard, added: Math.floor(heard / 5) }])
      }
      change('discovery', [{ ...row, state: 'idle', heard: 58, added: 4 }])
    },
    'jobs.items': () => [],
  }

  return {
    async call<Name extends OpName>(name: Name, input: OpInput<Name>): Promise<Reply<Name>> {
      const handler = handlers[name] as ((input: OpInput<Name>) => OpOutput<Name> | Promise<OpOutput<Name>>) | undefined
      if (handler === undefined)
        return {
          ok: false,
          error: { code: 'input.unknown-op', message: `the double does not know ${name}`, retryable: false, details: {} },
        }
      await wait(15)
      return { ok: true, value: await handler(input) }
    },
    subscribe(feed, listener) {
      const all = listeners.get(feed) ?? new Set<Listener>()
      listeners.set(feed, all)
      const mine = listener as Listener
      all.add(mine)
      setTimeout(() => {
        if (all.has(mine)) mine(snapshot(feed))
      }, 5)
      return () => all.delete(mine)
    },
    onConnection: () => () => undefined,
  }
}
