// Labels as they stand in public documents (test/vectors/labels).
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readLabel } from '#main/site/admission/labels/index.ts'

interface Published {
  readonly source: string
  readonly text: string
  readonly format: string
  readonly serial: string | null
  readonly eui64: string | null
  readonly product: string | null
  readonly secrets: Readonly<Record<string, string>>
}

const published = JSON.parse(readFileSync(new URL('../../../vectors/labels/published.json', import.meta.url), 'utf8')) as Published[]

describe('published labels', () => {
  test.each(published.map((each) => [each.source, each] as const))('%s', (_source, { text, secrets, ...facts }) => {
    const { source, ...expected } = facts
    expect(source).not.toBe('')
    const { first } = readLabel(text)
    expect(first).toMatchObject({ kind: 'label', label: { facts: expected, secrets } })
  })

  test('the Matter test device says vendor, product and passcode, and no device (Matter Core §5.1)', () => {
    const { first } = readLabel('MT:Y.K9042C00KA0648G00')
    expect(first).toMatchObject({
      kind: 'problem',
      problem: { reason: 'no-identity', format: 'matter-qr' },
      facts: { maker: 'vendor 0xFFF1', product: '0x8000', secrets: ['passcode'] },
    })
  })

  test('a QR code with a serial number among its optional fields names the device (Matter SDK, setup payload tests)', () => {
    expect(readLabel('MT:M5L90MP500K64J0A33P0SET70.QT52B.E23-WZE0WISA0DK5N1K8SQ1RYCU1O0').first).toMatchObject({
      kind: 'label',
      label: { facts: { serial: '123456789', maker: 'vendor 0x000C', product: '0x0001' }, secrets: { passcode: '00002048' } },
    })
  })

  test.each([
    ['MT:R5L90MP500K64J00000', 'unknown-form'],
    ['MT:M5L90MP500W-GT68D20', 'contradiction'],
    ['MT:M5L90MP500K64J0000', 'bad-characters'],
    ['MT:M5L90', 'incomplete'],
    ['MT:m5l90mp500k64j00000', 'no-identity'],
  ])('%s: wrong version, forbidden passcode, torn chunk, too short, small letters', (text, reason) => {
    expect(readLabel(text).first).toMatchObject({ kind: 'problem', problem: { reason, format: 'matter-qr' } })
  })

  test('eleven digits whose passcode is too large are a serial number (Matter SDK, setup payload tests)', () => {
    expect(readLabel('01120767810').first).toMatchObject({ kind: 'label', label: { facts: { format: 'serial' } } })
  })

  test.each(['34970112332', '3497-011-2332'])('its manual code %s', (code) => {
    expect(readLabel(code).first).toMatchObject({ kind: 'problem', problem: { reason: 'no-identity', format: 'matter-code' } })
  })

  test('its long manual code says vendor and product', () => {
    expect(readLabel('749701123365521327687').first).toMatchObject({
      kind: 'problem',
      facts: { format: 'matter-code', maker: 'vendor 0xFFF1', product: '0x8000', secrets: ['passcode'] },
    })
  })

  test('a manual code with a wrong digit is no Matter code (Verhoeff)', () => {
    expect(readLabel('3497-011-2333').first).toMatchObject({ kind: 'problem', problem: { reason: 'wrong-checksum' } })
  })
})
