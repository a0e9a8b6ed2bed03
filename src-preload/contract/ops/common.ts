// Shapes that ops of several files take or give.
import { z } from 'zod'

export const nothing = z.object({}).strict()
export const done = z.void()
export const id = z.string().min(1).max(80)
export const ids = z.array(id).min(1).max(20_000)
export const name = z.string().trim().min(1).max(120)
/** Text of a file that a person chose; the reader says what is wrong with it. */
export const fileText = z.string().max(20_000_000)
export const jobReply = z.object({ jobId: id })
export const page = z.object({ offset: z.number().int().nonnegative(), limit: z.number().int().min(1).max(1000) })
export const search = z.string().max(500).default('')
