// The language of states: each state has one look (colour and icon) and one word, everywhere. UI brief: planned, sent, confirmed, failed, unknown, working.
import {
  Check,
  CheckCheck,
  CircleDashed,
  CircleHelp,
  CircleMinus,
  Ear,
  KeyRound,
  LoaderCircle,
  PencilLine,
  Radio,
  Send,
  TriangleAlert,
  Unplug,
  X,
} from '@lucide/vue'
import type { Component } from 'vue'
import type { DeviceState, ItemState, MemberVerdict, Outcome } from '#contract/model.ts'

export type AnyState = DeviceState | Outcome | ItemState | MemberVerdict
export type Tone = 'planned' | 'sent' | 'confirmed' | 'failed' | 'unknown' | 'working'

export interface StateLook {
  readonly tone: Tone
  readonly icon: Component
  readonly spin?: boolean
}

export const stateLooks: Readonly<Record<AnyState, StateLook>> = {
  // What is known of an effect on the network.
  planned: { tone: 'planned', icon: PencilLine },
  sent: { tone: 'sent', icon: Send },
  confirmed: { tone: 'confirmed', icon: Check },
  failed: { tone: 'failed', icon: X },
  unknown: { tone: 'unknown', icon: CircleDashed },
  // The life of a device.
  expected: { tone: 'planned', icon: CircleDashed },
  seen: { tone: 'sent', icon: Ear },
  joining: { tone: 'working', icon: LoaderCircle, spin: true },
  enrolled: { tone: 'sent', icon: KeyRound },
  configured: { tone: 'confirmed', icon: Check },
  verified: { tone: 'confirmed', icon: CheckCheck },
  faulty: { tone: 'failed', icon: TriangleAlert },
  // Items of a job.
  pending: { tone: 'planned', icon: CircleDashed },
  running: { tone: 'working', icon: LoaderCircle, spin: true },
  ok: { tone: 'confirmed', icon: Check },
  warning: { tone: 'sent', icon: TriangleAlert },
  skipped: { tone: 'planned', icon: CircleMinus },
  // What a member did in a test.
  waiting: { tone: 'working', icon: Radio },
  heard: { tone: 'confirmed', icon: Check },
  'silent-changed': { tone: 'sent', icon: Ear },
  'not-changed': { tone: 'failed', icon: X },
  unreachable: { tone: 'failed', icon: Unplug },
  rejected: { tone: 'failed', icon: TriangleAlert },
  unreadable: { tone: 'unknown', icon: CircleHelp },
}
