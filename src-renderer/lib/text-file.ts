// The text of a file that a person chose.

/** UTF-8, else Windows-1252: spreadsheets in Western Europe still save lists so. What is UTF-16 is left to the reader, who says so. */
export function textOf(bytes: Uint8Array): string {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
  if (isUtf16) return new TextDecoder().decode(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

export async function readTextFile(file: Blob): Promise<string> {
  return textOf(new Uint8Array(await file.arrayBuffer()))
}
