// Files as ops take them: names and base64.

export async function readBase64(files: Iterable<File>): Promise<Array<{ fileName: string; base64: string }>> {
  const read = async (file: File): Promise<{ fileName: string; base64: string }> => ({
    fileName: file.name.slice(0, 255),
    base64: toBase64(new Uint8Array(await file.arrayBuffer())),
  })
  return Promise.all([...files].map(read))
}

/** In pieces: the bytes of a file do not fit into one call. */
export function toBase64(bytes: Uint8Array): string {
  const PIECE = 0x80_00
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE))
  return btoa(text)
}
