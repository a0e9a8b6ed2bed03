// Keys of the window. What is registered shows up in the shortcut sheet and the command palette for as long as its component lives.
import { defineStore } from 'pinia'
import { computed, onScopeDispose, shallowRef, toValue } from 'vue'
import type { Component, MaybeRefOrGetter } from 'vue'
import { matchesKey } from '../lib/keys.ts'

export interface Hotkey {
  /** Such as `B`, `Mod+K`, `Delete`, `?`; without one it is a command of the palette only. */
  readonly key?: string
  readonly label: MaybeRefOrGetter<string>
  readonly run: () => unknown
  /** The area that the shortcut sheet lists it under. */
  readonly area?: MaybeRefOrGetter<string>
  readonly icon?: Component
  readonly enabled?: MaybeRefOrGetter<boolean>
  /** Also while text is being typed. Default: only for combinations with Mod. */
  readonly whileTyping?: boolean
  /** Not offered in the palette, e.g. for the keys inside a table. */
  readonly hidden?: boolean
}

export const useCommands = defineStore('commands', () => {
  const all = shallowRef<readonly Hotkey[]>([])
  const usable = computed(() => all.value.filter((command) => toValue(command.enabled) ?? true))
  return {
    all,
    usable,
    add: (commands: readonly Hotkey[]) => (all.value = [...all.value, ...commands]),
    remove: (commands: readonly Hotkey[]) => (all.value = all.value.filter((command) => !commands.includes(command))),
  }
})

/** Registers commands for the life of the calling component. The newest registration of a key wins. */
export function useHotkeys(commands: readonly Hotkey[]): void {
  const store = useCommands()
  store.add(commands)
  onScopeDispose(() => store.remove(commands))
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select'))
  )
}

/** For the frame, once: hands key presses of the window to the registered commands. */
export function listenForHotkeys(): void {
  const store = useCommands()
  const listener = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return
    const typing = isTyping(event.target)
    // A dialog owns the keyboard while it is open.
    const inDialog = document.querySelector('[role="dialog"][data-state="open"], [role="alertdialog"][data-state="open"]') !== null
    for (const command of [...store.usable].reverse()) {
      if (command.key === undefined || !matchesKey(command.key, event)) continue
      const global = command.key.includes('Mod+')
      if ((typing && !(command.whileTyping ?? global)) || (inDialog && !global)) continue
      event.preventDefault()
      command.run()
      return
    }
  }
  window.addEventListener('keydown', listener)
  onScopeDispose(() => window.removeEventListener('keydown', listener))
}
