// Where the window was left, kept beside the preferences. A file that makes no sense is as good as none.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface WindowState {
  readonly bounds: Rectangle | null
  readonly maximized: boolean
}

const NOWHERE: WindowState = { bounds: null, maximized: false }
const DEFAULT_SIZE = { width: 1360, height: 860 }
/** So much of the window must be on a screen for it to be found and moved. */
const MIN_VISIBLE = 120

export function readWindowState(file: string): WindowState {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof parsed !== 'object' || parsed === null) return NOWHERE
    return {
      bounds: 'bounds' in parsed && isRectangle(parsed.bounds) ? parsed.bounds : null,
      maximized: 'maximized' in parsed && parsed.maximized === true,
    }
  } catch {
    return NOWHERE
  }
}

function isRectangle(value: unknown): value is Rectangle {
  if (typeof value !== 'object' || value === null) return false
  const { x, y, width, height } = value as Readonly<Record<string, unknown>>
  const isBetween = (side: unknown, least: number): boolean => Number.isInteger(side) && Number(side) >= least && Number(side) <= 20_000
  return isBetween(x, -20_000) && isBetween(y, -20_000) && isBetween(width, 200) && isBetween(height, 200)
}

export function writeWindowState(file: string, state: WindowState): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(`${file}.new`, JSON.stringify(state))
    renameSync(`${file}.new`, file)
  } catch {
    // A place on the screen is not worth a message.
  }
}

/** The kept place if it is still on a screen, else the default size in the middle. */
export function placeWithin({ bounds }: WindowState, workAreas: readonly Rectangle[]): Partial<Rectangle> {
  if (bounds === null) return DEFAULT_SIZE
  const isVisible = workAreas.some(
    (area) =>
      Math.min(bounds.x + bounds.width, area.x + area.width) - Math.max(bounds.x, area.x) >= MIN_VISIBLE &&
      Math.min(bounds.y + bounds.height, area.y + area.height) - Math.max(bounds.y, area.y) >= MIN_VISIBLE,
  )
  return isVisible ? bounds : { width: bounds.width, height: bounds.height }
}
