// The verdict on a port: its look and its words. Pure.
import { Ban, Check, CircleHelp, Lock, X } from '@lucide/vue'
import type { Component } from 'vue'
import type { PortVerdictRow } from '#contract/model.ts'

export const verdictLooks: Readonly<
  Record<PortVerdictRow['kind'], { readonly icon: Component; readonly tone: 'confirmed' | 'failed' | 'sent' | 'planned' }>
> = {
  usable: { icon: Check, tone: 'confirmed' },
  busy: { icon: Lock, tone: 'sent' },
  'no-permission': { icon: Ban, tone: 'failed' },
  'wrong-firmware': { icon: X, tone: 'failed' },
  unknown: { icon: CircleHelp, tone: 'planned' },
}

type Translate = (key: string, params?: Record<string, unknown>) => string

export function verdictWords(verdict: PortVerdictRow, t: Translate): string {
  switch (verdict.kind) {
    case 'usable':
      return t('link.verdict.usable', { firmware: t(`link.firmware.${verdict.firmware}`) })
    case 'busy':
      return verdict.by === null
        ? t('link.verdict.busy')
        : t('link.verdict.busy-by', { program: verdict.by.program, pid: String(verdict.by.pid) })
    case 'wrong-firmware':
      return t('link.verdict.wrong-firmware', { firmware: t(`link.firmware.${verdict.found}`) })
    case 'no-permission':
    case 'unknown':
      return t(`link.verdict.${verdict.kind}`)
  }
}
