// The built window served by the browser host over a program of the test's own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { startBrowserHost } from '#main/hosts/browser/index.ts'
import type { BrowserHost } from '#main/hosts/browser/index.ts'
import { canPrintPdf, printPdf } from '#main/hosts/index.ts'
import { createProgram } from '#main/ipc/index.ts'
import type { Program, ProgramOptions } from '#main/ipc/index.ts'

const root = join(import.meta.dirname, '../..')

export interface RunningWindow {
  readonly program: Program
  readonly host: BrowserHost
  readonly home: string
  close(): Promise<void>
}

/** `make` is for tests that look behind the contract. */
export async function runWindow(
  seed?: number,
  more: Partial<ProgramOptions> = {},
  make: (options: ProgramOptions) => Program = createProgram,
): Promise<RunningWindow> {
  const home = mkdtempSync(join(tmpdir(), 'groupwright-window-'))
  const program = make({
    host: 'browser',
    version: '0.1.0',
    clock: systemClock,
    random: seed === undefined ? systemRandom : seededRandom(seed),
    logger: silentLogger,
    dataDirectory: join(home, 'settings'),
    sitesDirectory: join(home, 'sites'),
    profileDirectories: [join(root, 'build/profiles')],
    network: { bindAddress: '::1', coapPort: 0 },
    demo: { radio: 'ideal' },
    services: {
      chooseSiteFile: () => Promise.resolve(undefined),
      reveal: (_, handle) => Promise.resolve({ url: `/download/${handle}` }),
      printPdf,
      canPrintPdf,
    },
    checkOutputs: true,
    ...more,
  })
  const host = await startBrowserHost({
    core: program,
    rendererDirectory: join(root, 'out/renderer'),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  return {
    program,
    host,
    home,
    async close() {
      await host.close()
      await program.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
