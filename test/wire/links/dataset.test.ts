// Operational datasets: against the hex that OpenThread's CLI shows, and in both forms that NCPs take (Thread specification §8.10).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, fromHex, seededRandom, toHex } from '#main/base/index.ts'
import {
  checkDataset,
  datasetItems,
  datasetOfItems,
  decodeDataset,
  decodeSpinelFrame,
  encodeDataset,
  HdlcDecoder,
  missingInDataset,
  newDataset,
  pack,
  parseDatasetText,
  PROP,
  readPropertyFrame,
  unpack,
} from '#main/wire/links/index.ts'
import { spinelRecording } from './spinel-recordings.ts'

/** Of an OpenThread node's `dataset active -x`. */
const TLVS =
  '0e080000000000010000000300000f35060004001fffe00208dead00beef00cafe0708fddead00beefcafe051000112233445566778899aabbccddeeff030b646f6e676c652d746573740102face0410445f2b5ca6f2a93a55ce570a70efeecb0c0402a0f7f8'

function failure(run: () => unknown): AppError | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

function recorded(verb: 'set' | 'is', property: number): Uint8Array {
  const decoder = new HdlcDecoder()
  for (const { bytes } of spinelRecording('spinel-34-dataset-struct-form')) {
    for (const frame of decoder.push(bytes)) {
      const message = readPropertyFrame(decodeSpinelFrame(frame))
      if (message?.verb === verb && message.property === property) return message.value
    }
  }
  throw new Error('not recorded')
}

describe('A dataset', () => {
  it('is read from TLVs and written to the same bytes', () => {
    const dataset = parseDatasetText(` ${TLVS.slice(0, 40)}\n${TLVS.slice(40)} `)
    expect(dataset).toMatchObject({
      activeTimestamp: { seconds: 1, ticks: 0, authoritative: false },
      channel: 15,
      channels: Array.from({ length: 16 }, (_, index) => 11 + index),
      meshLocalPrefix: 'fdde:ad00:beef:cafe::',
      networkName: 'dongle-test',
      panId: 0xface,
      securityPolicy: { rotationHours: 672, flags: Uint8Array.of(0xf7, 0xf8) },
      others: [],
    })
    expect(toHex(encodeDataset(dataset))).toBe(TLVS)
    expect(missingInDataset(dataset)).toEqual([])
  })

  it('is the same in the list of properties that older firmware takes, byte for byte as recorded', () => {
    const items = datasetItems(decodeDataset(fromHex(TLVS)!))
    expect(toHex(pack(PROP.THREAD_ACTIVE_DATASET.type, items))).toBe(toHex(recorded('set', PROP.THREAD_ACTIVE_DATASET.number)))
    const back = datasetOfItems(unpack(PROP.THREAD_ACTIVE_DATASET.type, recorded('is', PROP.THREAD_ACTIVE_DATASET.number)))
    expect(toHex(encodeDataset(back))).toBe(TLVS)
  })

  it('is read of what an NCP draws for a new network', () => {
    const dataset = datasetOfItems(unpack(PROP.THREAD_NEW_DATASET.type, recorded('is', PROP.THREAD_NEW_DATASET.number)))
    expect(missingInDataset(dataset)).toEqual([])
    expect(dataset).toMatchObject({ networkName: 'OpenThread-182b', channel: 22 })
  })

  it('is complete when it is new, and random where nothing was given', () => {
    const one = newDataset({ networkName: 'Keller', channel: 25 }, seededRandom(1))
    const other = newDataset({}, seededRandom(2))
    expect(missingInDataset(one)).toEqual([])
    expect(one).toMatchObject({ networkName: 'Keller', channel: 25 })
    expect(toHex(one.networkKey!)).not.toBe(toHex(other.networkKey!))
    expect(decodeDataset(encodeDataset(one))).toEqual(one)
    expect(one.meshLocalPrefix).toMatch(/^fd.*::$/)
  })

  it('tells what it lacks', () => {
    expect(missingInDataset(decodeDataset(fromHex('0102face')!))).toContain('activeTimestamp')
  })

  it('keeps what it does not know', () => {
    expect(toHex(encodeDataset(decodeDataset(fromHex('0102face4a0300000f')!)))).toBe('0102face4a0300000f')
  })

  it.each([
    ['channel', { channel: 27 }],
    ['channel', { channel: 10 }],
    ['panId', { panId: 0xffff }],
    ['networkName', { networkName: '' }],
    ['networkName', { networkName: 'siebzehn Zeichen!' }],
    ['networkName', { networkName: 'äöüäöüäöü' }],
    ['networkKey', { networkKey: new Uint8Array(15) }],
    ['pskc', { pskc: new Uint8Array(17) }],
    ['extendedPanId', { extendedPanId: new Uint8Array(4) }],
    ['meshLocalPrefix', { meshLocalPrefix: '2001:db8::/64' }],
    ['meshLocalPrefix', { meshLocalPrefix: 'fd00::1' }],
  ])('is refused with the field %s: %o', (field, values) => {
    expect(failure(() => checkDataset({ ...values, others: [] }))).toMatchObject({ code: 'link.network-invalid', details: { field } })
    expect(failure(() => newDataset(values, seededRandom(1)))?.code).toBe('link.network-invalid')
  })

  it('of any bytes is a dataset or link.network-invalid, without a secret in the failure', () => {
    const known = fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 0x0c, 0x0e, 0x35, 0x4a)
    const tlv = fc.tuple(known, fc.uint8Array({ maxLength: 20 })).map(([type, value]) => [type, value.length, ...value])
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tlv, { maxLength: 12 }).map((tlvs) => Uint8Array.from(tlvs.flat())),
    )
    fc.assert(
      fc.property(bytes, (value) => {
        expect([undefined, 'link.network-invalid']).toContain(failure(() => decodeDataset(value))?.code)
      }),
      { numRuns: 1000 },
    )
    const refused = failure(() => parseDatasetText('0511' + '77'.repeat(17)))
    expect(JSON.stringify([refused?.message, refused?.details])).not.toContain('7777')
    for (const text of ['', 'xyz', '0e08']) expect(failure(() => parseDatasetText(text))?.code).toBe('link.network-invalid')
  })
})
