// What the frame shows over and under the work: palette, shortcut sheet, the panel at the bottom.
import { defineStore } from 'pinia'
import { ref } from 'vue'

export type BottomPanel = 'jobs' | 'problems'

export const useShell = defineStore('shell', () => {
  const paletteOpen = ref(false)
  const shortcutsOpen = ref(false)
  const panel = ref<BottomPanel | null>(null)
  const togglePanel = (wanted: BottomPanel): void => {
    panel.value = panel.value === wanted ? null : wanted
  }
  return { paletteOpen, shortcutsOpen, panel, togglePanel }
})
