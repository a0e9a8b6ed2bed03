// How joining devices are read: beads, order, filter, the window's clock, words for everything that the contract can say.
import { describe, expect, it } from 'vitest'
import {
  admissionMode,
  joinAction,
  joinStepName,
  joinStepOutcome,
  labelFormat,
  labelFacts,
  labelProblem,
  pledgeMatch,
  pledgeState,
  scanResult,
  voucherRow,
  pledgeRow as pledgeSchema,
} from '#contract/model.ts'
import type { PledgeRow, PledgeStep } from '#contract/model.ts'
import { JOIN_STEPS } from '#main/services/join/types.ts'
import de from '../../../../src-renderer/locales/de/joining.json' with { type: 'json' }
import en from '../../../../src-renderer/locales/en/joining.json' with { type: 'json' }
import { windowLook } from '../../../../src-renderer/lib/admission-window.ts'
import { findBarcodeReader } from '../../../../src-renderer/views/admit/joining/barcodes.ts'
import {
  beadsOf,
  canUndo,
  elapsedMs,
  inOrder,
  isAdvice,
  joinSteps,
  matchesPledge,
  pairs,
  pledgeName,
  scanTone,
} from '../../../../src-renderer/views/admit/joining/pledge-words.ts'
import { toBase64 } from '../../../../src-renderer/views/admit/joining/voucher-files.ts'

const step = (name: PledgeStep['step'], number: number, outcome: PledgeStep['outcome'] = 'done'): PledgeStep => ({
  step: name,
  number,
  outcome,
  startedAt: 0,
  endedAt: outcome === 'done' ? 1 : null,
})
const row = (key: string, more: Partial<PledgeRow> = {}): PledgeRow => ({
  key,
  serialNumber: null,
  eui64: null,
  manufacturer: 'CN=Works',
  makerKnown: true,
  proxy: null,
  deviceId: null,
  listed: 'no',
  decision: 'none',
  state: 'waiting',
  step: 'admitted',
  outcome: 'waiting',
  since: 0,
  code: null,
  detail: null,
  actions: [],
  steps: [],
  attempts: 1,
  firstSeenAt: 0,
  lastSeenAt: 0,
  ...more,
})

describe('beads', () => {
  it('stand for the steps of the contract, in the order in which devices go through them', () => {
    expect(joinSteps).toEqual(JOIN_STEPS)
    expect(joinSteps).toEqual(joinStepName.options)
  })

  it('show what is done, what runs, what was left out and what is to come', () => {
    const looks = beadsOf([step('seen', 1), step('connected', 2), step('certificate', 3, 'running')]).map(({ look }) => look)
    expect(looks).toEqual(['done', 'done', 'skipped', 'skipped', 'skipped', 'skipped', 'running', 'ahead', 'ahead'])
    expect(beadsOf([]).every(({ look }) => look === 'ahead')).toBe(true)
    expect(beadsOf([step('seen', 1, 'failed')])[0]).toEqual({ step: 'seen', number: 1, look: 'failed' })
  })
})

describe('who has asked', () => {
  it('is called by what people call it', () => {
    expect(pledgeName(row('00112233445566'), undefined)).toBe('00112233')
    expect(pledgeName(row('k', { eui64: '0011223344556677' }), undefined)).toBe('0011223344556677')
    expect(pledgeName(row('k', { serialNumber: 'SN 1', eui64: '0011223344556677' }), undefined)).toBe('SN 1')
    expect(pledgeName(row('k', { serialNumber: 'SN 1' }), 'Panel east')).toBe('Panel east')
    expect(pairs('0011223344556677')).toBe('00-11-22-33-44-55-66-77')
    expect(pairs(null)).toBe('')
  })

  it('stands first where it needs a person, and does not jump while it knocks again', () => {
    const rows = [
      row('e', { state: 'enrolled' }),
      row('j', { state: 'joining' }),
      row('w2', { state: 'waiting', firstSeenAt: 20, lastSeenAt: 30 }),
      row('w1', { state: 'waiting', firstSeenAt: 10, lastSeenAt: 99 }),
      row('d', { state: 'denied' }),
      row('f', { state: 'failed' }),
    ]
    expect(inOrder(rows).map(({ key }) => key)).toEqual(['f', 'w1', 'w2', 'j', 'd', 'e'])
    expect(inOrder(rows.toReversed()).map(({ key }) => key)).toEqual(['f', 'w1', 'w2', 'j', 'd', 'e'])
  })

  it('is found by name, number, maker and state', () => {
    const one = row('k', { serialNumber: 'SN-7', manufacturer: 'CN=Lumen Works' })
    expect(['sn-7', 'lumen', 'panel', ''].map((text) => matchesPledge(one, 'all', text, 'Panel east'))).toEqual([true, true, true, true])
    expect(matchesPledge(one, 'all', 'other', 'Panel east')).toBe(false)
    expect(matchesPledge(one, 'failed', '', undefined)).toBe(false)
    expect(elapsedMs({ since: 5000 }, 3000)).toBe(0)
  })
})

describe('the window', () => {
  const open = { window: 'open', openedAt: 0, closesAt: 600_000 } as const
  it('counts down, warns before its end, and closes by itself where nobody has said so yet', () => {
    expect(windowLook(open, 0)).toEqual({ isOpen: true, leftMs: 600_000, share: 1, isEnding: false })
    expect(windowLook(open, 541_000)).toMatchObject({ isOpen: true, leftMs: 59_000, isEnding: true })
    expect(windowLook(open, 600_000)).toMatchObject({ isOpen: false, leftMs: 0 })
    expect(windowLook({ window: 'closed', openedAt: null, closesAt: null }, 0)).toMatchObject({ isOpen: false, share: 0 })
    // A clock of this window that is ahead does not make the bar longer than it is.
    expect(windowLook({ window: 'open', openedAt: 0, closesAt: 1000 }, -5000).share).toBe(1)
  })
})

describe('labels', () => {
  it('can be taken back only where the scan itself has put them on the list', () => {
    expect(canUndo({ outcome: 'listed', entryId: 'x' })).toBe(true)
    expect(canUndo({ outcome: 'already-listed', entryId: 'x' })).toBe(false)
    expect(canUndo({ outcome: 'listed', entryId: null })).toBe(false)
    expect(scanResult.shape.outcome.options.map((outcome) => scanTone({ outcome })).every(Boolean)).toBe(true)
  })

  it('are read from pictures only where the system can', async () => {
    class Detector {
      static getSupportedFormats = (): Promise<readonly string[]> => Promise.resolve(['qr_code', 'ean_13', 'upc_a'])
      readonly formats: readonly string[]
      constructor(options: { formats: readonly string[] }) {
        this.formats = options.formats
      }
      detect(): Promise<ReadonlyArray<{ rawValue: string }>> {
        return Promise.resolve([{ rawValue: this.formats.join() }, { rawValue: '' }])
      }
    }
    class Bare extends Detector {
      static override getSupportedFormats = (): Promise<readonly string[]> => Promise.resolve([])
    }
    class Broken extends Detector {
      static override getSupportedFormats = (): Promise<readonly string[]> => Promise.reject(new Error('no service'))
    }
    const picture = {} as ImageBitmapSource
    expect(await (await findBarcodeReader({ BarcodeDetector: Detector }))?.read(picture)).toEqual(['qr_code,ean_13'])
    expect(await findBarcodeReader({})).toBeUndefined()
    expect(await findBarcodeReader({ BarcodeDetector: 7 })).toBeUndefined()
    expect(await findBarcodeReader({ BarcodeDetector: Bare })).toBeUndefined()
    expect(await findBarcodeReader({ BarcodeDetector: Broken })).toBeUndefined()
  })

  it('and vouchers go as base64, however large the file', () => {
    const bytes = Uint8Array.from({ length: 100_001 }, (_, index) => index % 256)
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
    expect(toBase64(new Uint8Array(0))).toBe('')
  })
})

describe('words', () => {
  const missing = (words: object, names: readonly string[]): readonly string[] => names.filter((name) => !(name in words))
  it.each([
    ['en', en],
    ['de', de],
  ])('are there for everything that the contract can say (%s)', (_, words) => {
    expect(missing(words.step, joinStepName.options)).toEqual([])
    expect(missing(words.outcome, [...joinStepOutcome.options, 'ahead', 'skipped'])).toEqual([])
    expect(missing(words.state, pledgeState.options)).toEqual([])
    expect(missing(words.filter, [...pledgeState.options, 'all'])).toEqual([])
    expect(missing(words.action, joinAction.options)).toEqual([])
    expect(Object.values(words.action).every((action) => 'do' in action && 'say' in action)).toBe(true)
    expect(missing(words.policy.mode, admissionMode.options)).toEqual([])
    expect(missing(words.policy.brief, admissionMode.options)).toEqual([])
    expect(missing(words.listed, pledgeSchema.shape.listed.options)).toEqual([])
    expect(missing(words.decision, pledgeSchema.shape.decision.options)).toEqual([])
    expect(
      missing(
        words.match,
        pledgeMatch.shape.verdict.options.filter((verdict) => verdict !== 'matched' && verdict !== 'unlisted'),
      ),
    ).toEqual([])
    expect(missing(words.scan.outcome, scanResult.shape.outcome.options)).toEqual([])
    expect(missing(words.label.format, labelFormat.options)).toEqual([])
    expect(missing(words.label.secret, labelFacts.shape.secrets.element.options)).toEqual([])
    expect(missing(words.label.problem, labelProblem.shape.reason.options)).toEqual([])
    expect(missing(words.voucher, voucherRow.shape.state.options)).toEqual([])
  })

  it('say of each action what it is for; some are only advice', () => {
    expect(joinAction.options.filter(isAdvice)).toEqual(['unlock-keys', 'check-network', 'check-clock', 'power-cycle', 'wait'])
  })
})
