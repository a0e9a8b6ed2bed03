// Geometry of the strip plot of answer times: a scale with round ticks, dots that do not cover each other, and what is late.

export interface Answer {
  readonly deviceId: string
  readonly ms: number
}
export interface Dot extends Answer {
  readonly x: number
  /** 0 on the axis, growing upwards in units of a dot's diameter. */
  readonly level: number
  readonly late: boolean
}
export interface StripPlot {
  readonly maxMs: number
  readonly ticks: ReadonlyArray<{ readonly ms: number; readonly x: number }>
  readonly dots: readonly Dot[]
  /** Highest level used. */
  readonly levels: number
  readonly medianX: number | null
  readonly medianMs: number | null
  /** From the first to the last answer. */
  readonly spread: { readonly fromX: number; readonly toX: number; readonly ms: number } | null
}

/** The smallest of 1, 2, 5 × 10^n that cuts the span into at most `parts`. */
export function roundStep(span: number, parts: number): number {
  const rough = Math.max(span, 1) / Math.max(parts, 1)
  const power = 10 ** Math.floor(Math.log10(rough))
  const unit = rough / power
  return (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10) * power
}

/** Linear interpolation between closest ranks; null without values. */
export function quantile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null
  const place = (sorted.length - 1) * Math.min(1, Math.max(0, share))
  const below = sorted[Math.floor(place)] ?? 0
  const above = sorted[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}

/** Above this an answer is late among its fellows: Tukey's upper fence. Too few answers have no tail. */
export function lateAbove(sorted: readonly number[]): number {
  if (sorted.length < 8) return Number.POSITIVE_INFINITY
  const q1 = quantile(sorted, 0.25) ?? 0
  const q3 = quantile(sorted, 0.75) ?? 0
  return q3 + 1.5 * (q3 - q1)
}

/** `minMaxMs` keeps the scale from jumping while the first answers come in. */
export function layoutStrip(answers: readonly Answer[], width: number, dotDiameter: number, minMaxMs = 100): StripPlot {
  const sorted = [...answers].filter((answer) => Number.isFinite(answer.ms) && answer.ms >= 0).sort((a, b) => a.ms - b.ms)
  const times = sorted.map((answer) => answer.ms)
  const slowest = times.at(-1) ?? 0
  const span = Math.max(slowest, minMaxMs)
  const step = roundStep(span, 5)
  const maxMs = Math.ceil(span / step) * step
  const toX = (ms: number): number => (ms / maxMs) * width
  const ticks: Array<{ ms: number; x: number }> = []
  for (let index = 0; index * step <= maxMs + step / 2; index++) ticks.push({ ms: index * step, x: toX(index * step) })

  const fence = lateAbove(times)
  // The right edge of the last dot on each level; the first level with room takes the dot.
  const edges: number[] = []
  const dots = sorted.map((answer): Dot => {
    const x = toX(answer.ms)
    let level = edges.findIndex((edge) => x - edge >= dotDiameter)
    if (level < 0) level = edges.length
    edges[level] = x
    return { ...answer, x, level, late: answer.ms > fence }
  })
  const medianMs = quantile(times, 0.5)
  const first = times[0]
  return {
    maxMs,
    ticks,
    dots,
    levels: edges.length,
    medianMs,
    medianX: medianMs === null ? null : toX(medianMs),
    spread: first === undefined ? null : { fromX: toX(first), toX: toX(slowest), ms: slowest - first },
  }
}
