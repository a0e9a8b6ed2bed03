// Link-format read without making links of it (RFC 6690 §2): for what is asked of every registration.

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c

/** How many links a well-formed document has. */
export function countLinks(text: string): number {
  let count = 0
  let offset = text.indexOf('<')
  while (offset >= 0) {
    count++
    offset = text.indexOf('<', endOfLink(text, offset))
  }
  return count
}

/** The links of a well-formed document one by one, as text. */
export function* eachLink(text: string): Generator<string> {
  for (let start = text.indexOf('<'); start >= 0;) {
    const end = endOfLink(text, start)
    yield text.slice(start, end)
    start = text.indexOf('<', end)
  }
}

/** The offset of the comma behind the link that starts here, or of the end. */
function endOfLink(text: string, start: number): number {
  let offset = text.indexOf('>', start)
  if (offset < 0) return text.length
  for (; offset < text.length; offset++) {
    const code = text.charCodeAt(offset)
    if (code === COMMA) return offset
    if (code === QUOTE) offset = endOfQuoted(text, offset)
  }
  return text.length
}

function endOfQuoted(text: string, start: number): number {
  for (let offset = start + 1; offset < text.length; offset++) {
    const code = text.charCodeAt(offset)
    if (code === QUOTE) return offset
    if (code === BACKSLASH) offset++
  }
  return text.length
}
