// Sender Sequence Numbers of the device's context with the tool: reserved for good before they are used (RFC 8613 Appendix B.1).
import type { SequenceStore } from '#main/wire/oscore/index.ts'

/** There is one context; its numbers count on from what the memory says may have been used. `keep` must be durable when it returns. */
export function deviceSequences(reserved: number, keep: (reserved: number) => void): SequenceStore {
  let next = reserved
  return {
    establish: () => next === 0,
    reserve: (_context, count) => {
      const first = next
      keep(first + count)
      next = first + count
      return first
    },
    forget: () => undefined,
  }
}
