// What each type of demo device does, as a small state, and what a PUT may change of it.
import type { DemoDeviceType } from './floor-plan.ts'

export type StateValue = boolean | number | string
export type DeviceState = Readonly<Record<string, StateValue>>

interface Member {
  readonly initial: StateValue
  readonly accepts: (value: unknown) => value is StateValue
}

const yesOrNo = (value: unknown): value is boolean => typeof value === 'boolean'
const percent = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 100
const degrees = (value: unknown): value is number => typeof value === 'number' && value >= 5 && value <= 35
const heatingMode = (value: unknown): value is string => value === 'comfort' || value === 'eco'

const MEMBERS: Readonly<Record<DemoDeviceType, Readonly<Record<string, Member>>>> = {
  luminaire: { on: { initial: false, accepts: yesOrNo }, level: { initial: 100, accepts: percent } },
  blind: { position: { initial: 0, accepts: percent } },
  thermostat: { setpoint: { initial: 21, accepts: degrees }, mode: { initial: 'comfort', accepts: heatingMode } },
  switch: {},
  'presence-sensor': {},
}

export function initialState(type: DemoDeviceType): DeviceState {
  return Object.fromEntries(Object.entries(MEMBERS[type]).map(([name, member]) => [name, member.initial]))
}

/** The state that a memory holds, as far as it is one of this type. */
export function readState(type: DemoDeviceType, value: unknown): DeviceState | undefined {
  if (!isObject(value)) return undefined
  const state = planChange(type, initialState(type), value)
  return state?.state
}

export interface StateChange {
  /** The very same object where nothing that is remembered changes. */
  readonly state: DeviceState
  /** Whether to blink, or to stop it; undefined leaves it. */
  readonly blink: boolean | undefined
}

/** What a PUT of the value brings about; undefined when it holds something unknown, and then nothing changes. */
export function planChange(type: DemoDeviceType, state: DeviceState, value: unknown): StateChange | undefined {
  if (!isObject(value)) return undefined
  const members = MEMBERS[type]
  let blink: boolean | undefined
  const changed = new Map<string, StateValue>()
  for (const [name, wanted] of Object.entries(value)) {
    const member = Object.hasOwn(members, name) ? members[name] : undefined
    if (member?.accepts(wanted)) changed.set(name, wanted)
    else if (name === 'blinking' && typeof wanted === 'boolean') blink = wanted
    else if (name === 'blink' && typeof wanted === 'number' && wanted >= 0 && wanted <= 255) blink = wanted > 0
    else if (name === 'toggle' && wanted === true && type === 'luminaire') changed.set('on', state.on !== true)
    else return undefined
  }
  const isSame = [...changed].every(([name, wanted]) => state[name] === wanted)
  return { state: isSame ? state : { ...state, ...Object.fromEntries(changed) }, blink }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
