// Builds the main and preload bundles with the project's own configuration, around the test's program, into out/double.
import { fileURLToPath } from 'node:url'
import { resolveConfig } from 'electron-vite'
import { build, mergeConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const { config } = await resolveConfig({ root: here('../../..'), logLevel: 'error' }, 'build', 'production')
if (config?.main === undefined || config.preload === undefined) throw new Error('electron.vite.config.ts has no main or preload part')

const withTestProgram = {
  name: 'test-program',
  enforce: 'pre' as const,
  resolveId: (source: string, importer: string | undefined): string | undefined =>
    source === './program.ts' && importer?.endsWith('/ipc/index.ts') === true ? here('fake-program.ts') : undefined,
}
// One after the other: two cores are all there is.
await build(mergeConfig(config.main, { plugins: [withTestProgram], build: { outDir: here('../../../out/double/main') } }))
await build(mergeConfig(config.preload, { build: { outDir: here('../../../out/double/preload') } }))
