// Names, fingerprints and looks of the admission view.
import { describe, expect, it } from 'vitest'
import { raCertificateDetail, raCertificateRow, raReason, raRequestRow, raRow } from '#contract/model.ts'
import { certificateLooks, daysUntil, nameOf, shortName, spacedHex } from '../../../../src-renderer/views/admit/admit-words.ts'
import de from '../../../../src-renderer/locales/de/admit.json' with { type: 'json' }
import en from '../../../../src-renderer/locales/en/admit.json' with { type: 'json' }

describe('names', () => {
  it('are read by their common name, else by their serial number (RFC 4514)', () => {
    expect(shortName('CN=Lamp 7, O=Blue Quay')).toBe('Lamp 7')
    expect(shortName('serialNumber=LW-0001, O=Lumen Works')).toBe('LW-0001')
    expect(shortName(String.raw`O=Works, CN=Lamp\, ceiling`)).toBe('Lamp, ceiling')
    expect(shortName('gateway-1')).toBe('gateway-1')
    expect(shortName('')).toBe('')
  })

  it('are put together with what parts names escaped', () => {
    expect(nameOf('Harbour CA', ' ')).toBe('CN=Harbour CA')
    expect(nameOf('A, B', 'C=D')).toBe(String.raw`CN=A\, B, O=C\=D`)
    expect(shortName(nameOf('A, B', 'C'))).toBe('A, B')
  })

  it('fingerprints are in groups, and days are never fewer than none', () => {
    expect(spacedHex('0011aabbcc')).toBe('0011 aabb cc')
    expect(daysUntil(86_400_000 * 2.5, 0)).toBe(2)
    expect(daysUntil(0, 5)).toBe(0)
  })
})

describe('words', () => {
  it.each([
    ['en', en],
    ['de', de],
  ])('are there for every value of the contract: %s', (_language, words) => {
    const missing = (values: readonly string[], known: object): readonly string[] => values.filter((value) => !(value in known))
    expect(missing(raCertificateRow.shape.state.options, words.certificate.state)).toEqual([])
    expect(missing(raCertificateRow.shape.state.options, certificateLooks)).toEqual([])
    expect(missing(raReason.options, words.reason)).toEqual([])
    expect(missing(raRequestRow.shape.kind.options, words.kind)).toEqual([])
    expect(missing(raRequestRow.shape.requester.shape.kind.options, words.requester)).toEqual([])
    expect(missing(raRequestRow.shape.requester.shape.kind.options, words['requester-about'])).toEqual([])
    expect(missing(raRow.shape.state.options, words.state)).toEqual([])
    expect(missing(raRow.shape.protection.unwrap().options, words['protection-about'])).toEqual([])
    expect(missing(raRow.shape.policy.shape.mode.options, words.policy)).toEqual([])
    expect(missing(raCertificateDetail.shape.history.element.shape.event.options, words.event)).toEqual([])
  })
})
