// Codes in pictures, where the system has a reader of its own and where it has none.
import encodeQR from 'qr'
import { afterEach, expect, it, vi } from 'vitest'
import { findBarcodeReader } from '../../../../src-renderer/views/admit/joining/barcodes.ts'

const LABEL = 'KNX:S:00FA10010400;P:ABY8B77J50YXMUDW3DG4'

interface Picture {
  readonly width: number
  readonly height: number
  readonly data: Uint8ClampedArray
}

function pictureOf(text: string | undefined): Picture {
  const rows =
    text === undefined
      ? Array.from({ length: 200 }, () => new Array<boolean>(200).fill(false))
      : encodeQR(text, 'raw', { scale: 6, border: 4 })
  const [height, width] = [rows.length, rows[0]?.length ?? 0]
  const data = new Uint8ClampedArray(width * height * 4)
  rows.flat().forEach((dark, index) => data.set([dark ? 0 : 255, dark ? 0 : 255, dark ? 0 : 255, 255], index * 4))
  return { width, height, data }
}

/** As much of a canvas as is used. */
function stubCanvas(picture: Picture): void {
  vi.stubGlobal('createImageBitmap', () => Promise.resolve({ ...picture, close: () => undefined }))
  vi.stubGlobal(
    'OffscreenCanvas',
    class {
      getContext(): unknown {
        return { drawImage: () => undefined, getImageData: () => picture }
      }
    },
  )
}

afterEach(() => vi.unstubAllGlobals())

it('the text of a QR code is read without help of the system', async () => {
  stubCanvas(pictureOf(LABEL))
  const reader = await findBarcodeReader()
  expect(await reader?.read(new Blob())).toEqual([LABEL])
})

it('a picture without a code has no text, and is no failure', async () => {
  stubCanvas(pictureOf(undefined))
  const reader = await findBarcodeReader()
  expect(await reader?.read(new Blob())).toEqual([])
})

it('where no picture can be looked at there is no reader', async () => {
  expect(await findBarcodeReader({})).toBeUndefined()
})

it('the system’s own reader is preferred: it reads more kinds of codes', async () => {
  stubCanvas(pictureOf(LABEL))
  vi.stubGlobal(
    'BarcodeDetector',
    class {
      static getSupportedFormats(): Promise<readonly string[]> {
        return Promise.resolve(['qr_code', 'data_matrix'])
      }
      detect(): Promise<ReadonlyArray<{ readonly rawValue: string }>> {
        return Promise.resolve([{ rawValue: 'one' }, { rawValue: '' }, { rawValue: 'two' }])
      }
    },
  )
  const reader = await findBarcodeReader()
  expect(await reader?.read(new Blob())).toEqual(['one', 'two'])
})
