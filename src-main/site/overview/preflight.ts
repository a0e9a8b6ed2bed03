// The preflight: what must be right before the work begins, each with a verdict and a finding that has a remedy.
import { KeyedFeed, toAppError } from '#main/base/index.ts'
import type { Clock } from '#main/base/index.ts'
import type { CheckId, CheckRow } from '#contract/model.ts'

export interface Finding {
  readonly verdict: 'ok' | 'warning' | 'failed'
  /** Selects the sentence `preflight.<check>.<finding>`. */
  readonly finding: string
  readonly params?: Readonly<Record<string, string | number>>
}

/** How each check is done; handed in, because only the core knows files, sockets and hosts. */
export type Probes = Readonly<Partial<Record<CheckId, () => Finding | Promise<Finding>>>>

export interface Preflight {
  readonly feed: KeyedFeed<CheckRow>
  /** Runs every check; resolves when all have a verdict. Never throws: a check that breaks has failed. */
  run(): Promise<void>
}

export function createPreflight(probes: Probes, clock: Clock): Preflight {
  const feed = new KeyedFeed<CheckRow>((row) => row.check)
  const checks = Object.keys(probes) as readonly CheckId[]
  return {
    feed,
    async run() {
      feed.setAll(checks.map((check) => ({ check, verdict: 'running' as const, finding: 'running', params: {}, at: clock.now() })))
      await Promise.all(
        checks.map(async (check) => {
          const found = await probe(probes[check])
          feed.set({ check, verdict: found.verdict, finding: found.finding, params: { ...found.params }, at: clock.now() })
        }),
      )
    },
  }
}

async function probe(look: (() => Finding | Promise<Finding>) | undefined): Promise<Finding> {
  try {
    return (await look?.()) ?? { verdict: 'ok', finding: 'ok' }
  } catch (thrown) {
    return { verdict: 'failed', finding: 'broken', params: { reason: toAppError(thrown).message } }
  }
}
