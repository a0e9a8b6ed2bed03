// What the frame shows over and under the work: palette, shortcut sheet, the panel at the bottom.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import type { LockableRole } from '#contract/model.ts'

export type BottomPanel = 'jobs' | 'problems'

export const useShell = defineStore('shell', () => {
  const paletteOpen = ref(false)
  const shortcutsOpen = ref(false)
  const rolesOpen = ref(false)
  const historyOpen = ref(false)
  /** The role that something just asked for. */
  const wantedRole = ref<LockableRole | null>(null)
  const panel = ref<BottomPanel | null>(null)
  const togglePanel = (wanted: BottomPanel): void => {
    panel.value = panel.value === wanted ? null : wanted
  }
  const askForRole = (role: LockableRole | null): void => {
    wantedRole.value = role
    rolesOpen.value = true
  }
  return { paletteOpen, shortcutsOpen, rolesOpen, historyOpen, wantedRole, panel, togglePanel, askForRole }
})
