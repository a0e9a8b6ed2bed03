// The ops of the trace.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type TraceHandlers = { readonly [Name in keyof Handlers as Name extends `trace.${string}` ? Name : never]: Handlers[Name] }

export function traceHandlers(core: Core): TraceHandlers {
  return {
    'trace.page': ({ after, limit }) => core.site().traceDesk.page(after, limit),
    'trace.detail': ({ seq }) => core.site().traceDesk.detail(seq),
    'trace.record': ({ on }) => core.site().trace.setRecording(on),
    'trace.clear': () => core.site().trace.clear(),
    'trace.export': () => core.site().traceDesk.export(),
  }
}
