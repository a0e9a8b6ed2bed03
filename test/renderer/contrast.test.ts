// Every text colour on every surface that it stands on, measured from the tokens themselves (WCAG 2.2 §1.4.3 and §1.4.11).
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

type Triple = readonly [number, number, number]
type Theme = 'light' | 'dark'

const css = readFileSync(new URL('../../src-renderer/styles/tokens.css', import.meta.url), 'utf8')

const tokens = new Map<string, Readonly<Record<Theme, Triple>>>()
for (const [, name, light, dark] of css.matchAll(/--([\w-]+):\s*light-dark\(oklch\(([^)/]+)[^)]*\),\s*oklch\(([^)/]+)[^)]*\)\)/g)) {
  const numbers = (text: string | undefined): Triple => {
    const [l = NaN, c = NaN, h = NaN] = (text ?? '').trim().split(/\s+/).map(Number)
    return [l, c, h]
  }
  tokens.set(name!, { light: numbers(light), dark: numbers(dark) })
}

/** OKLCH to linear sRGB, by the matrices of CSS Color 4 §10. Out-of-gamut parts are clipped, as a screen does. */
function linearRgb([l, c, h]: Triple): Triple {
  const a = c * Math.cos((h * Math.PI) / 180)
  const b = c * Math.sin((h * Math.PI) / 180)
  const cube = (x: number): number => x * x * x
  const long = cube(l + 0.3963377774 * a + 0.2158037573 * b)
  const medium = cube(l - 0.1055613458 * a - 0.0638541728 * b)
  const short = cube(l - 0.0894841775 * a - 1.291485548 * b)
  const clip = (x: number): number => Math.min(1, Math.max(0, x))
  return [
    clip(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
    clip(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
    clip(-0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short),
  ]
}

function contrast(a: Triple, b: Triple): number {
  const luminance = (colour: Triple): number => {
    const [red, green, blue] = linearRgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (high! + 0.05) / (low! + 0.05)
}

const surfaces = ['frame', 'work', 'raised', 'hover', 'press', 'selected'].map((name) => `surface-${name}`)
const states = ['planned', 'sent', 'confirmed', 'failed', 'unknown', 'working']
const textOnSurface = ['text', 'text-muted', 'accent', ...states.map((state) => `state-${state}`)].flatMap((text) =>
  surfaces.map((surface) => [text, surface]),
)
const textOnTint = states.flatMap((state) => [
  [`state-${state}`, `tint-${state}`],
  ['text', `tint-${state}`],
])
const onFilled = [
  ['on-accent', 'accent'],
  ['on-accent', 'accent-hover'],
  ['on-danger', 'danger'],
  ['on-danger', 'danger-hover'],
  ['surface-work', 'text'],
]
const controls = [
  ['line-strong', 'surface-raised'],
  ['line-strong', 'surface-work'],
  ['focus', 'surface-work'],
  ['focus', 'surface-raised'],
  ['focus', 'surface-frame'],
  ['focus', 'surface-selected'],
]

function measured(pairs: ReadonlyArray<readonly string[]>, theme: Theme): ReadonlyArray<readonly [string, number]> {
  return pairs.map(([front, back]) => [`${front} on ${back}`, contrast(tokens.get(front!)![theme], tokens.get(back!)![theme])] as const)
}

describe.each(['light', 'dark'] as const)('%s colours', (theme) => {
  it('have text at 4.5:1 or more wherever it stands', () => {
    const weak = measured([...textOnSurface, ...textOnTint, ...onFilled], theme).filter(([, ratio]) => ratio < 4.5)
    expect(weak).toEqual([])
  })

  it('have the edges of controls and the focus ring at 3:1 or more', () => {
    expect(measured(controls, theme).filter(([, ratio]) => ratio < 3)).toEqual([])
  })
})

describe('the measurement', () => {
  it('knows black on white as 21:1', () => {
    expect(contrast([0, 0, 0], [1, 0, 0])).toBeCloseTo(21, 1)
  })

  it('finds every token of the sheet', () => {
    expect(tokens.size).toBeGreaterThan(30)
    expect([...tokens.values()].flatMap((each) => [...each.light, ...each.dark]).every(Number.isFinite)).toBe(true)
  })
})
