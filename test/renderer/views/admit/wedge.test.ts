// A hand scanner types like a keyboard: it is told from a person by its speed, and nothing that a person types is lost.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BURST_GAP_MS, Wedge, type WedgeKey, type WedgeVerdict } from '../../../../src-renderer/views/admit/joining/wedge.ts'

const LABEL = 'KNX:S:00FA10010A0B;P:ABCD'

function plain(key: string): WedgeKey {
  return { key, ctrl: false, command: false, isRepeat: false }
}

/** What arrives at others, and what was taken for a label. */
function play(keys: ReadonlyArray<readonly [WedgeKey, number]>): { readonly typed: string; readonly scans: readonly string[] } {
  const wedge = new Wedge()
  let at = 0
  let typed = ''
  const scans: string[] = []
  for (const [key, gapMs] of keys) {
    at += gapMs
    // The timer of the listener gives back what nobody has continued.
    if (gapMs > BURST_GAP_MS) typed += wedge.release()
    const verdict: WedgeVerdict = wedge.press(key, at)
    if (verdict.kind === 'scan') scans.push(verdict.text)
    if (verdict.kind === 'pass') typed += verdict.held + (key.key.length === 1 && !key.ctrl && !key.command ? key.key : '')
  }
  return { typed: typed + wedge.release(), scans }
}

const burst = (text: string, gapMs = 8, end = 'Enter'): Array<readonly [WedgeKey, number]> => [
  ...Array.from(text, (key, index) => [plain(key), index === 0 ? 500 : gapMs] as const),
  [plain(end), gapMs],
]

describe('a hand scanner', () => {
  it('is heard by a fast burst that ends with Enter, or with Tab, with Shift for its capitals', () => {
    expect(play(burst(LABEL))).toEqual({ typed: '', scans: [LABEL] })
    expect(play(burst(LABEL, 30, 'Tab'))).toEqual({ typed: '', scans: [LABEL] })
    const shifted = Array.from(LABEL).flatMap((key, index) => [[plain('Shift'), index === 0 ? 500 : 2] as const, [plain(key), 2] as const])
    expect(play([...shifted, [plain('Enter'), 4]])).toEqual({ typed: '', scans: [LABEL] })
  })

  it('sends the group separator of ISO 15434 as Ctrl+]', () => {
    const group: WedgeKey = { key: ']', ctrl: true, command: false, isRepeat: false }
    const keys = [
      ...burst('1PABC').slice(0, -1),
      [plain('Control'), 3] as const,
      [group, 3] as const,
      ...burst('41S123').map(([key]) => [key, 5] as const),
    ]
    expect(play(keys).scans).toEqual(['1PABC\u001d41S123'])
  })

  it('is heard twice in a row', () => {
    expect(play([...burst(LABEL), ...burst('00-11-22-33-44-55-66-77')]).scans).toEqual([LABEL, '00-11-22-33-44-55-66-77'])
  })
})

describe('a person', () => {
  it('gets every key back in its order, and Enter stays Enter', () => {
    expect(play(burst('meeting room', 120))).toEqual({ typed: 'meeting room', scans: [] })
    // A few quick keys and Enter are no label.
    expect(play(burst('abc', 20))).toEqual({ typed: 'abc', scans: [] })
  })

  it('keeps commands, held-down keys and blanks', () => {
    const command: WedgeKey = { key: 'k', ctrl: true, command: false, isRepeat: false }
    expect(new Wedge().press(command, 0)).toEqual({ kind: 'pass', held: '' })
    expect(new Wedge().press({ ...plain('a'), isRepeat: true }, 0)).toEqual({ kind: 'pass', held: '' })
    expect(new Wedge().press(plain(' '), 0)).toEqual({ kind: 'pass', held: '' })
    const wedge = new Wedge()
    expect(wedge.press(plain('x'), 0)).toEqual({ kind: 'hold' })
    expect(wedge.press(plain('ArrowLeft'), 10)).toEqual({ kind: 'pass', held: 'x' })
    expect(wedge.isHolding).toBe(false)
  })

  it('loses nothing, whatever is pressed at whatever speed', () => {
    const key = fc.constantFrom(...Array.from('abcXYZ019:;-'), 'Enter', 'Shift', 'Backspace')
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.integer({ min: 0, max: 200 })), { maxLength: 60 }), (presses) => {
        const { typed, scans } = play(presses.map(([pressed, gapMs]) => [plain(pressed), gapMs] as const))
        const wanted = presses.map(([pressed]) => (pressed.length === 1 ? pressed : '')).join('')
        expect(typed.length + scans.join('').length).toBe(wanted.length)
        for (const scan of scans) expect(scan.length).toBeGreaterThanOrEqual(6)
      }),
    )
  })
})
