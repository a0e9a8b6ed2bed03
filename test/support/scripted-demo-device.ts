// A demo device as docs/demo-devices.md describes it, behind a ScriptedClient.
import { utf8ToText } from '#main/base/index.ts'
import type { ClientRequest } from '#main/wire/coap/index.ts'
import type { ScriptedAnswer, ScriptedServer } from './scripted-coap.ts'

export interface ScriptedDemoDevice {
  readonly server: ScriptedServer
  readonly groups: Map<string, { a: string; p: number }>
  readonly state: Record<string, unknown>
  readonly identified: string[]
  /** Whether it answers unicast requests other than for its links. */
  silent: boolean
}

export interface DemoIdentity {
  readonly eui64: string
  readonly serial: string
  readonly model: string
  readonly type: string
}

export const demoIdentity: DemoIdentity = { eui64: '020000fffe000001', serial: 'GW-24-00017', model: 'Demo Panel 600', type: 'luminaire' }

export function demoLinks(type: string): string {
  return `</dev>;rt="gw.device";ct=50,</groups>;rt="gw.groups";ct=50,</identify>;rt="gw.identify",</state>;rt="gw.${type}";ct=50`
}

const STATES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  luminaire: { on: false, level: 100 },
  blind: { position: 0 },
  thermostat: { setpoint: 21, mode: 'comfort' },
}

export function scriptedDemoDevice(identity: DemoIdentity = demoIdentity): ScriptedDemoDevice {
  const groups: ScriptedDemoDevice['groups'] = new Map()
  const state: Record<string, unknown> = { ...STATES[identity.type], blinking: false }
  const identified: string[] = []
  const device: ScriptedDemoDevice = { server, groups, state, identified, silent: false }

  function server(request: ClientRequest, _at: unknown, multicast: boolean): ScriptedAnswer | undefined {
    const text = utf8ToText(request.payload ?? new Uint8Array()) ?? ''
    const route = `${request.method} ${request.path[0] ?? ''}`
    if (route === 'GET .well-known') return { code: '2.05', text: demoLinks(identity.type), contentFormat: 40 }
    if (multicast || device.silent) return undefined
    if (route === 'GET dev') return { code: '2.05', json: { ...identity, fw: '1.4.2' } }
    if (route === 'GET groups') return { code: '2.05', json: [...groups].map(([n, entry]) => ({ n, ...entry })) }
    if (route === 'PUT groups') return putGroup(request.path[1] ?? '', text)
    if (route === 'DELETE groups') {
      groups.delete(request.path[1] ?? '')
      return { code: '2.02' }
    }
    if (route === 'PUT identify') {
      identified.push(text)
      return { code: '2.04' }
    }
    if (route === 'GET state') return { code: '2.05', json: state }
    return { code: '4.04' }
  }

  function putGroup(name: string, text: string): ScriptedAnswer {
    const known = groups.has(name)
    if (!known && groups.size >= 8) return { code: '4.09', text: 'group table full' }
    const entry: unknown = JSON.parse(text)
    if (!isEntry(entry)) return { code: '4.00' }
    groups.set(name, entry)
    return { code: known ? '2.04' : '2.01' }
  }
  return device
}

function isEntry(value: unknown): value is { a: string; p: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'a' in value &&
    typeof value.a === 'string' &&
    'p' in value &&
    typeof value.p === 'number'
  )
}
