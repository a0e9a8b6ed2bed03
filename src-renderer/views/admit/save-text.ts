// Lets a person save a text that the core has given: the host asks where to, or puts it with the downloads.

export function saveText({ fileName, text }: { readonly fileName: string; readonly text: string }): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = fileName
  link.click()
  // The download has begun by the time the task ends.
  setTimeout(() => URL.revokeObjectURL(url), 0)
}
