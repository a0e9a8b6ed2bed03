// Reads codes in pictures: with what the system itself has for that (Shape Detection API), else QR codes with a reader of our own.

interface Detected {
  readonly rawValue: string
}

interface Detector {
  detect(image: ImageBitmapSource): Promise<readonly Detected[]>
}

interface DetectorClass {
  new (options?: { formats: readonly string[] }): Detector
  getSupportedFormats(): Promise<readonly string[]>
}

/** What labels of devices bear. */
const FORMATS: readonly string[] = ['qr_code', 'data_matrix', 'code_128', 'code_39', 'ean_13', 'aztec', 'pdf417']

export interface BarcodeReader {
  /** The texts of all codes in the picture. */
  read(image: ImageBitmapSource): Promise<readonly string[]>
}

function isDetectorClass(value: unknown): value is DetectorClass {
  return typeof value === 'function' && 'getSupportedFormats' in value
}

/** Pictures are brought to this size at most: a phone's camera gives far more than a code needs. */
const LONGEST_SIDE = 1600

/** Undefined where no picture can be looked at. */
export async function findBarcodeReader(scope: object = globalThis): Promise<BarcodeReader | undefined> {
  return (await systemReader(scope)) ?? ('OffscreenCanvas' in scope && 'createImageBitmap' in scope ? qrReader() : undefined)
}

function qrReader(): BarcodeReader {
  return {
    async read(image) {
      const { default: decodeQR } = await import('qr/decode.js')
      const pixels = await pixelsOf(image)
      if (pixels === undefined) return []
      try {
        return [decodeQR(pixels)]
      } catch {
        // It throws where there is no code.
        return []
      }
    },
  }
}

async function pixelsOf(image: ImageBitmapSource): Promise<ImageData | undefined> {
  const bitmap = await createImageBitmap(image)
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height))
  const [width, height] = [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))]
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  context?.drawImage(bitmap, 0, 0, width, height)
  bitmap.close()
  return context?.getImageData(0, 0, width, height)
}

/** Undefined where the system reads no two-dimensional codes. */
async function systemReader(scope: object): Promise<BarcodeReader | undefined> {
  const found: unknown = Reflect.get(scope, 'BarcodeDetector')
  if (!isDetectorClass(found)) return undefined
  try {
    const supported = await found.getSupportedFormats()
    const formats = FORMATS.filter((format) => supported.includes(format))
    if (!formats.includes('qr_code') && !formats.includes('data_matrix')) return undefined
    const detector = new found({ formats })
    return { read: async (image) => (await detector.detect(image)).map(({ rawValue }) => rawValue).filter((text) => text !== '') }
  } catch {
    // The class is there, but nothing behind it.
    return undefined
  }
}
