// The trace over the contract: pages, one entry in its layers, and a capture file beside the site's exports.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, newId } from '#main/base/index.ts'
import type { Clock, Random } from '#main/base/index.ts'
import type { TraceDetail, TraceEntryRow } from '#contract/model.ts'
import { captureFile } from './capture.ts'
import { traceDetailOf, traceRowOf } from './trace-view.ts'
import type { Trace } from './trace.ts'

export interface TraceDesk {
  page(after: number, limit: number): TraceEntryRow[]
  /** Throws `export.not-found` where it is no longer kept. */
  detail(seq: number): TraceDetail
  /** Writes what is kept as pcapng; throws `export.failed`. */
  export(): { readonly handle: string; readonly fileName: string; readonly entries: number }
  /** The path behind a capture file's handle. */
  path(handle: string): string | undefined
}

export interface TraceDeskPorts {
  readonly trace: Trace
  readonly directory: () => string
  readonly application: string
  readonly clock: Clock
  readonly random: Random
}

export function createTraceDesk({ trace, directory, application, clock, random }: TraceDeskPorts): TraceDesk {
  const files = new Map<string, string>()
  return {
    page: (after, limit) => trace.after(after, limit).map(traceRowOf),
    detail(seq) {
      const entry = trace.get(seq)
      if (entry === undefined) throw new AppError('export.not-found', 'This entry of the trace is no longer kept', { details: { seq } })
      return traceDetailOf(entry, trace.all())
    },
    export() {
      const entries = trace.all()
      const stamp = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(':', '-')
      const fileName = `trace-${stamp}.pcapng`
      const path = join(directory(), fileName)
      try {
        mkdirSync(directory(), { recursive: true })
        writeFileSync(path, captureFile(entries, application), { mode: 0o600 })
      } catch (cause) {
        throw new AppError('export.failed', `Cannot write ${path}`, { cause, details: { path } })
      }
      const handle = newId('trace', random)
      files.set(handle, path)
      return { handle, fileName, entries: entries.length }
    },
    path: (handle) => files.get(handle),
  }
}
