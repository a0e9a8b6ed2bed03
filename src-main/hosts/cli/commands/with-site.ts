// Opens the site for a command and closes it whatever happens.
import type { CommandContext } from '../context.ts'
import { openSite } from '../open.ts'
import type { Opened } from '../open.ts'

export async function withSite(
  context: CommandContext,
  work: (opened: Opened) => Promise<number>,
  { resumeJobs = false }: { readonly resumeJobs?: boolean } = {},
): Promise<number> {
  const opened = await openSite({ ...context.options, exports: context.options.out, resumeJobs })
  try {
    return await work(opened)
  } finally {
    await opened.program.close()
  }
}
