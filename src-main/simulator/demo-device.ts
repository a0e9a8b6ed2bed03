// One demo device: its resources, its state and its group table, as docs/demo-devices.md describes them. It knows no network.
import { utf8, utf8ToText, type JsonValue } from '#main/base/index.ts'
import { normaliseAddress } from '#main/wire/ip/index.ts'
import { filterLinks } from './device-links.ts'
import { initialState, planChange, type DeviceState } from './device-state.ts'
import { readMemory, writeMemory, type GroupEntry } from './device-memory.ts'
import type { PlannedDevice } from './floor-plan.ts'
import type { DeviceEnrolment, SecurityBinding, SecurityMemory, Sender } from './secure/types.ts'

export const JSON_FORMAT = 50
export const LINK_FORMAT = 40
const PLACES = 8
const LONGEST_NAME_BYTES = 63
const BLINK_MS = 30_000

export interface DeviceRequest {
  readonly method: string
  readonly path: readonly string[]
  readonly query: readonly string[]
  readonly payload: Uint8Array
  readonly contentFormat: number | undefined
  /** The multicast address and port it was sent to; undefined for unicast. */
  readonly group: { readonly address: string; readonly port: number } | undefined
  /** Who has protected it. */
  readonly sender?: Sender | undefined
}

export interface DeviceReply {
  readonly code: string
  readonly contentFormat?: number
  readonly payload?: Uint8Array
}

/** What survives a power cut, one text for each device. */
export interface DemoMemory {
  load(endpointName: string): string | undefined
  save(endpointName: string, text: string): void
  /** The same, durable when it returns; throws where it is not. */
  saveNow?(endpointName: string, text: string): void
  /** Several at once, where that is cheaper. */
  saveAll?(texts: ReadonlyMap<string, string>): void
}

export interface DeviceSurroundings {
  readonly memory: DemoMemory
  /** Milliseconds that never go backwards. */
  readonly monotonicMs: () => number
  /** Types of devices that know nothing of OSCORE. */
  readonly withoutSecurity?: ReadonlySet<string>
}

export class DemoDevice {
  readonly plan: PlannedDevice
  readonly #surroundings: DeviceSurroundings
  #groups: readonly GroupEntry[]
  #state: DeviceState
  #security: SecurityMemory | undefined
  #blinkUntilMs = 0
  #identifyUntilMs = 0
  #unprotected = 0
  #foreign = 0

  constructor(plan: PlannedDevice, surroundings: DeviceSurroundings) {
    this.plan = plan
    this.#surroundings = surroundings
    const memory = readMemory(plan.type, surroundings.memory.load(plan.eui64))
    this.#groups = memory.groups.slice(0, PLACES)
    this.#state = memory.state ?? initialState(plan.type)
    this.#security = this.takesKeys ? memory.security : undefined
  }

  get endpointName(): string {
    return this.plan.eui64
  }

  get groups(): readonly GroupEntry[] {
    return this.#groups
  }

  get state(): DeviceState {
    return { ...this.#state, blinking: this.#surroundings.monotonicMs() < this.#blinkUntilMs }
  }

  get identifying(): boolean {
    return this.#surroundings.monotonicMs() < this.#identifyUntilMs
  }

  /** The device's links, application/link-format. */
  get links(): string {
    return filterLinks(this.plan.type, [], this.takesKeys)
  }

  // ---- Security (docs/demo-devices.md) ---------------------------------------------------------------------------

  /** Whether it can be enrolled and take part in security groups. */
  get takesKeys(): boolean {
    return this.#surroundings.withoutSecurity?.has(this.plan.type) !== true
  }

  get enrolled(): boolean {
    return this.#security !== undefined
  }

  get security(): SecurityMemory | undefined {
    return this.#security
  }

  get bindings(): readonly SecurityBinding[] {
    return this.#security?.bindings ?? []
  }

  /** Group requests that were ignored: without protection where there has to be some, and under keys of others. */
  get ignored(): { readonly unprotected: number; readonly foreign: number } {
    return { unprotected: this.#unprotected, foreign: this.#foreign }
  }

  ignoreForeign(): void {
    this.#foreign++
  }

  /** A new context with the tool; what it was told of security groups stays. */
  enrol(enrolment: DeviceEnrolment): void {
    this.#keep({ security: { enrolment, reserved: 0, bindings: this.bindings } })
  }

  bind(bindings: readonly SecurityBinding[]): void {
    if (this.#security !== undefined) this.#keep({ security: { ...this.#security, bindings } })
  }

  /** Sender Sequence Numbers below this one count as used, also if the power goes now. Throws where that cannot be kept. */
  reserve(reserved: number): void {
    const security = this.#security
    if (security === undefined) return
    const next: SecurityMemory = { ...security, reserved }
    const { memory } = this.#surroundings
    const text = writeMemory({ groups: this.#groups, state: this.#state, security: next })
    if (memory.saveNow === undefined) memory.save(this.plan.eui64, text)
    else memory.saveNow(this.plan.eui64, text)
    this.#security = next
  }

  /** Application groups whose requests come to that address. */
  appsAt(at: { readonly address: string; readonly port: number } | undefined): readonly string[] {
    return this.#groups.filter(({ a, p }) => a === at?.address && p === at.port).map(({ n }) => n)
  }

  /** Power comes back: what was not in the memory is forgotten. */
  restart(): void {
    const memory = readMemory(this.plan.type, this.#surroundings.memory.load(this.plan.eui64))
    this.#groups = memory.groups.slice(0, PLACES)
    this.#state = memory.state ?? initialState(this.plan.type)
    this.#security = this.takesKeys ? memory.security : undefined
    this.#blinkUntilMs = 0
    this.#identifyUntilMs = 0
  }

  /** Answers a request; undefined stays silent, as to group requests that would be answered with an error. */
  handle(request: DeviceRequest): DeviceReply | undefined {
    if (request.group === undefined) return this.#route(request)
    const reply = this.#routeGroup(request)
    return reply?.code.startsWith('2.') === true ? reply : undefined
  }

  #routeGroup(request: DeviceRequest): DeviceReply | undefined {
    const [first, name, last] = request.path
    if (first === '.well-known') {
      const reply = this.#route(request)
      // Nothing that matches is nothing to say (RFC 7252 §8.2).
      return reply.payload?.length === 0 ? undefined : reply
    }
    if (first !== 'gp' || name === undefined || last !== 'state' || request.path.length !== 3) return undefined
    const entry = this.#groups.find((group) => group.n === name)
    if (entry?.a !== request.group?.address || entry?.p !== request.group?.port) return undefined
    return this.#route(request)
  }

  /** Whether a request to an application group came under the keys that it asks for; what did not is counted. */
  #isAllowed(app: string, sender: Sender | undefined): boolean {
    const keepers = this.bindings.filter(({ apps }) => apps.includes(app))
    const isGroup = sender?.kind === 'group'
    if (isGroup ? keepers.some(({ name }) => name === sender.name) : keepers.length === 0) return true
    if (isGroup) this.#foreign++
    else this.#unprotected++
    return false
  }

  #route(request: DeviceRequest): DeviceReply {
    const { path, method } = request
    switch (path.length === 1 ? String(path[0]) : `${path[0] ?? ''}/${path.length}`) {
      case '.well-known/2':
        if (path[1] !== 'core') return { code: '4.04' }
        if (method !== 'GET') return { code: '4.05' }
        return { code: '2.05', contentFormat: LINK_FORMAT, payload: utf8(filterLinks(this.plan.type, request.query, this.takesKeys)) }
      case 'dev': {
        const { eui64, serial, model, type, fw } = this.plan
        return method === 'GET' ? json({ eui64, serial, model, type, fw }) : { code: '4.05' }
      }
      case 'groups':
        return method === 'GET' ? json(this.#groups.map(({ n, a, p }) => ({ n, a, p }))) : { code: '4.05' }
      case 'groups/2':
        return this.#changeGroup(request, path[1] ?? '')
      case 'identify':
        return method === 'PUT' ? this.#identify(request.payload) : { code: '4.05' }
      case 'state':
        if (method === 'GET') return json(this.state)
        return method === 'PUT' ? this.#putState(request) : { code: '4.05' }
      case 'gp/3':
        if (path[2] !== 'state' || !this.#groups.some((group) => group.n === path[1])) return { code: '4.04' }
        if (!this.#isAllowed(path[1] ?? '', request.sender)) return { code: '4.01' }
        return method === 'PUT' ? this.#putState(request) : { code: '4.05' }
      case 'sec':
      case 'sec/2':
        // Under the context with the tool it is served elsewhere.
        return { code: this.takesKeys ? '4.01' : '4.04' }
      default:
        return { code: '4.04' }
    }
  }

  #changeGroup(request: DeviceRequest, name: string): DeviceReply {
    if (request.method === 'DELETE') {
      const rest = this.#groups.filter((group) => group.n !== name)
      if (rest.length < this.#groups.length) this.#keep({ groups: rest })
      return { code: '2.02' }
    }
    if (request.method !== 'PUT') return { code: '4.05' }
    if (isOtherFormat(request)) return { code: '4.15' }
    if (name === '' || utf8(name).length > LONGEST_NAME_BYTES) return badRequest('group name too long')
    const entry = readEntry(name, request.payload)
    if (entry === undefined) return badRequest('a must be an IPv6 multicast address and p a port')
    if (this.#groups.some((group) => group.n === name)) {
      this.#keep({ groups: this.#groups.map((group) => (group.n === name ? entry : group)) })
      return { code: '2.04' }
    }
    if (this.#groups.length >= PLACES) return { code: '4.09', payload: utf8('group table full') }
    this.#keep({ groups: [...this.#groups, entry] })
    return { code: '2.01' }
  }

  #identify(payload: Uint8Array): DeviceReply {
    const text = utf8ToText(payload) ?? ''
    if (!/^\d{1,4}$/.test(text)) return badRequest('seconds as text')
    this.#identifyUntilMs = this.#surroundings.monotonicMs() + Number(text) * 1000
    return { code: '2.04' }
  }

  #putState(request: DeviceRequest): DeviceReply {
    if (isOtherFormat(request)) return { code: '4.15' }
    const change = planChange(this.plan.type, this.#state, readJson(request.payload))
    if (change === undefined) return badRequest('unknown member or value')
    if (change.blink !== undefined) this.#blinkUntilMs = change.blink ? this.#surroundings.monotonicMs() + BLINK_MS : 0
    if (change.state !== this.#state) this.#keep({ state: change.state })
    return { code: '2.04' }
  }

  /** The memory first: what is confirmed survives a power cut. */
  #keep(changed: { readonly groups?: readonly GroupEntry[]; readonly state?: DeviceState; readonly security?: SecurityMemory }): void {
    const { groups = this.#groups, state = this.#state, security = this.#security } = changed
    this.#surroundings.memory.save(this.plan.eui64, writeMemory({ groups, state, security }))
    this.#groups = groups
    this.#state = state
    this.#security = security
  }
}

function isOtherFormat(request: DeviceRequest): boolean {
  return request.contentFormat !== undefined && request.contentFormat !== JSON_FORMAT
}

function json(value: JsonValue): DeviceReply {
  return { code: '2.05', contentFormat: JSON_FORMAT, payload: utf8(JSON.stringify(value)) }
}

function badRequest(message: string): DeviceReply {
  return { code: '4.00', payload: utf8(message) }
}

function readEntry(name: string, payload: Uint8Array): GroupEntry | undefined {
  const value = readJson(payload)
  if (typeof value !== 'object' || value === null || !('a' in value) || !('p' in value)) return undefined
  const { a, p } = value
  const address = typeof a === 'string' ? normaliseAddress(a) : undefined
  if (address === undefined || !address.startsWith('ff') || !address.includes(':')) return undefined
  return typeof p === 'number' && Number.isInteger(p) && p >= 1 && p <= 65_535 ? { n: name, a: address, p } : undefined
}

function readJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8ToText(payload) ?? '')
  } catch {
    return undefined
  }
}
