// Copying text. The asynchronous clipboard needs a permission that a host may deny; copying a selection needs none.

/** Gives whether it worked. Call it from a click or a key: nothing else may copy. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copySelection(text)
  }
}

/** Answers the `copy` event that the command raises with the text, so that nothing has to be selected for it. */
function copySelection(text: string): boolean {
  let copied = false
  const onCopy = (event: ClipboardEvent): void => {
    event.clipboardData?.setData('text/plain', text)
    event.preventDefault()
    copied = event.clipboardData !== null
  }
  document.addEventListener('copy', onCopy, { once: true })
  try {
    // Deprecated and without a successor that needs no permission.
    return document.execCommand('copy') && copied
  } finally {
    document.removeEventListener('copy', onCopy)
  }
}
