// Listens for a hand scanner for as long as the component lives, whatever has the focus. Keys of a person arrive a moment later than pressed.
import { onScopeDispose } from 'vue'
import { BURST_GAP_MS, Wedge } from './wedge.ts'

/** Longer than the gap within a burst, or the last key of each burst would be given back before Enter comes. */
const RELEASE_MS = BURST_GAP_MS + 15

export function useWedge(onScan: (text: string) => void): void {
  const wedge = new Wedge()
  let timer: ReturnType<typeof setTimeout> | undefined
  let replaying = false

  function listen(event: KeyboardEvent): void {
    if (replaying || event.isComposing) return
    const isAltGr = event.getModifierState('AltGraph')
    const verdict = wedge.press(
      {
        key: event.key,
        ctrl: event.ctrlKey && !isAltGr,
        command: event.metaKey || (event.altKey && !isAltGr),
        isRepeat: event.repeat,
      },
      event.timeStamp,
    )
    if (verdict.kind === 'pass') {
      clearTimeout(timer)
      giveBack(verdict.held)
      return
    }
    event.preventDefault()
    event.stopImmediatePropagation()
    clearTimeout(timer)
    if (verdict.kind === 'scan') onScan(verdict.text)
    else timer = setTimeout(() => giveBack(wedge.release()), RELEASE_MS)
  }

  /** As if it had been typed just now: commands first, then into the field that has the focus. */
  function giveBack(text: string): void {
    replaying = true
    try {
      for (const key of text) {
        const target = document.activeElement ?? document.body
        const shiftKey = key !== key.toLowerCase()
        const isFree = target.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey, bubbles: true, cancelable: true }))
        if (isFree && isField(target)) insert(target, key)
      }
    } finally {
      replaying = false
    }
  }

  window.addEventListener('keydown', listen, { capture: true })
  onScopeDispose(() => {
    clearTimeout(timer)
    window.removeEventListener('keydown', listen, { capture: true })
  })
}

function isField(target: Element): target is HTMLInputElement | HTMLTextAreaElement {
  if (target instanceof HTMLTextAreaElement) return !target.readOnly
  return target instanceof HTMLInputElement && !target.readOnly && !['checkbox', 'radio', 'button', 'file'].includes(target.type)
}

/** Where the caret is; fields of numbers do not tell it. */
function insert(field: HTMLInputElement | HTMLTextAreaElement, text: string): void {
  if (field.selectionStart !== null) field.setRangeText(text, field.selectionStart, field.selectionEnd ?? field.selectionStart, 'end')
  else field.value += text
  field.dispatchEvent(new InputEvent('input', { bubbles: true, data: text, inputType: 'insertText' }))
}
