// Text files as people have them.
import { describe, expect, it } from 'vitest'
import { readTextFile, textOf } from '../../src-renderer/lib/text-file.ts'

describe('the text of a file', () => {
  it('is UTF-8, with or without a byte order mark', () => {
    expect(textOf(new TextEncoder().encode('Büro;Flur'))).toBe('Büro;Flur')
    expect(textOf(new Uint8Array([0xef, 0xbb, 0xbf, 0x41]))).toBe('A')
  })

  it('is Windows-1252 where it is no UTF-8, as spreadsheets save it', () => {
    expect(textOf(new Uint8Array([0x42, 0xfc, 0x72, 0x6f, 0x20, 0x80]))).toBe('Büro €')
  })

  it('leaves UTF-16 to the import, which tells it by what cannot be read', () => {
    expect(textOf(new Uint8Array([0xff, 0xfe, 0x41, 0x00]))).toContain('\ufffd')
  })

  it('is read from what a person chose', async () => {
    expect(await readTextFile(new Blob([new Uint8Array([0x46, 0x6c, 0xfc, 0x72])]))).toBe('Flür')
  })
})
