// What a benchmark yields: a figure, and the baseline of the same run that it is compared with.
export interface BenchResult {
  readonly area: string
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The same measure of what it is compared with; undefined where there is nothing to compare with. */
  readonly baseline: number | undefined
  /** `value / baseline`. */
  readonly ratio: number | undefined
}
