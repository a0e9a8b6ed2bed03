// Devices that ask to join, as the registrar would tell of them: for what the window shows, at the gate itself and without a network.
import { sha256, toHex, utf8 } from '#main/base/index.ts'
import { createCore, type Core } from '#main/core.ts'
import type { Program, ProgramOptions } from '#main/ipc/index.ts'
import { createHandlers } from '../../src-main/ipc/handlers.ts'
import { createContractService } from '../../src-main/ipc/serve.ts'
import type { JoinGate, JoinStep, JoinStepName, PledgeIdentity } from '#main/services/join/types.ts'

/** The program together with the core that is in it. */
export function openProgram(options: ProgramOptions): { readonly program: Program; readonly core: Core } {
  const core = createCore(options)
  const { clock, logger } = options
  const service = createContractService({ handlers: createHandlers(core), feeds: core.feeds, clock, logger, checkOutputs: true })
  const program: Program = {
    service,
    openSiteFile: async (path) => {
      await core.openSiteFile(path)
    },
    exportPath: (handle) => core.exportPath(handle),
    networkDataset: (linkId) => core.site().dongles.dataset(linkId),
    busy: () => core.busy(),
    async close() {
      service.close()
      await core.close()
    },
  }
  return { program, core }
}

export function stagedPledge(serialNumber: string, more: Partial<PledgeIdentity> = {}): PledgeIdentity {
  return {
    key: toHex(sha256(utf8(`IDevID ${serialNumber}`))),
    serialNumber,
    chain: [],
    manufacturer: 'CN=Demo Works Device CA, O=Demo Works',
    isKnownMaker: true,
    proxy: 'fe80::211:22ff:fe33:4455%mesh',
    ...more,
  }
}

export class Stage {
  readonly #gate: () => JoinGate

  constructor(gate: () => JoinGate) {
    this.#gate = gate
  }

  note(pledge: PledgeIdentity, step: JoinStepName, outcome: JoinStep['outcome'] = 'done', more: Partial<JoinStep> = {}): void {
    this.#gate().note({ pledge, step, outcome, atMs: Date.now(), ...more })
  }

  /** Comes to the door and asks, as each attempt begins. */
  ask(pledge: PledgeIdentity): string {
    this.note(pledge, 'seen')
    this.note(pledge, 'connected')
    return this.#gate().admits(pledge).kind
  }

  /** All the way through, for whoever was let in. */
  join(pledge: PledgeIdentity): void {
    for (const step of ['voucher', 'trusts-us', 'anchors', 'certificate', 'enrolled', 'secured'] as const) this.note(pledge, step)
  }
}
