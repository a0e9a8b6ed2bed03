// A whole program without a window, on files of the test's own.
import { join } from 'node:path'
import { silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createProgram } from '#main/ipc/index.ts'
import type { Program, ProgramOptions } from '#main/ipc/index.ts'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'

export interface TestProgram {
  readonly program: Program
  readonly session: Session
}

/** Binds to loopback on any port; sites and settings lie in `home`. Devices of demo sites need not join before they have keys. */
export function testProgram(home: string, more: Partial<ProgramOptions> = {}): TestProgram {
  const program = createProgram(testOptions(home, more))
  return { program, session: sessionOf(program) }
}

/** What such a program, or its core alone, is made with. */
export function testOptions(home: string, more: Partial<ProgramOptions> = {}): ProgramOptions {
  return {
    host: 'cli',
    version: '0.1.0',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    dataDirectory: join(home, 'settings'),
    sitesDirectory: home,
    profileDirectories: [join(import.meta.dirname, '../../build/profiles')],
    network: { bindAddress: '::1', coapPort: 0 },
    demo: { radio: 'ideal', joining: 'direct' },
    services: {
      chooseSiteFile: () => Promise.resolve(undefined),
      reveal: () => Promise.resolve({ url: null }),
      printPdf: () => Promise.resolve(new Uint8Array()),
      canPrintPdf: () => false,
    },
    checkOutputs: true,
    ...more,
  }
}
