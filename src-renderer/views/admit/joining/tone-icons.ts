// An icon for each tone, for facts that have no state of their own in the language of states.
import { Check, CircleHelp, CircleMinus, LoaderCircle, TriangleAlert, X } from '@lucide/vue'
import type { Component } from 'vue'
import type { Tone } from '../../../components/ui/index.ts'

export const toneIcons: Readonly<Record<Tone, Component>> = {
  confirmed: Check,
  sent: TriangleAlert,
  failed: X,
  planned: CircleMinus,
  unknown: CircleHelp,
  working: LoaderCircle,
}
