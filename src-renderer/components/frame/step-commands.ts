// Commands of the steps that are offered in every view: they go to their step, which opens the thing. Pure.
import type { Step } from '#contract/model.ts'

interface Opening {
  /** The value of `?open=` that the step's view answers; absent: going there is all. */
  readonly open?: string
  /** Key of the words, the same that the step's own command has. */
  readonly label: string
}

const openings = {
  site: [
    { open: 'checks', label: 'site.checks.run' },
    { open: 'network', label: 'site.settings.open' },
    { open: 'directory', label: 'directory.settings' },
  ],
  devices: [
    { open: 'import', label: 'devices.import' },
    { open: 'discover', label: 'devices.discover.start' },
    { open: 'add', label: 'devices.add.title' },
  ],
  groups: [
    { open: 'from-rooms', label: 'groups.from-rooms.title' },
    { open: 'create', label: 'groups.create.title' },
    { open: 'room-types', label: 'templates.open' },
    { open: 'verify', label: 'groups.verify-all' },
  ],
  // What is written to devices is seen before it is run.
  apply: [{ label: 'apply.run.start-key' }],
  test: [{ open: 'next', label: 'test.next' }],
  handover: [{ label: 'handover.export.run-key' }],
} as const satisfies Partial<Record<Step, readonly Opening[]>>

type OpenNames<Of extends readonly Opening[]> = Extract<Of[number], { readonly open: string }>['open']
/** What a step's view must be able to open. */
export type OpenRequest<Name extends keyof typeof openings> = OpenNames<(typeof openings)[Name]>

export interface StepCommand {
  readonly step: Step
  readonly label: string
  readonly to: { readonly path: string; readonly query: Readonly<Record<string, string>> }
}

export const stepCommands: readonly StepCommand[] = Object.entries(openings).flatMap(([step, list]) =>
  (list as readonly Opening[]).map(({ open, label }) => ({
    step: step as keyof typeof openings,
    label,
    to: { path: `/${step}`, query: open === undefined ? {} : { open } },
  })),
)
