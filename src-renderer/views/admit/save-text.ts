// Lets a person save a text or bytes that the core has given: the host asks where to, or puts it with the downloads.

export interface SavedFile {
  readonly fileName: string
  readonly text: string
  /** Of `text`. */
  readonly encoding?: 'text' | 'base64'
}

export function saveText({ fileName, text, encoding = 'text' }: SavedFile): void {
  const content = encoding === 'base64' ? Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)) : text
  const url = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = fileName
  link.click()
  // The download has begun by the time the task ends.
  setTimeout(() => URL.revokeObjectURL(url), 0)
}
