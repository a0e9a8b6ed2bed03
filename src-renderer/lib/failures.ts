// From a failure to the keys of its help in locales/*/failures.json: by its code, and by what its details tell. Pure.
import type { Failure } from '#contract/model.ts'

/** Dots separate the levels of message keys, so the help for `coap.timeout` is kept under `coap_timeout`. */
export function failureKey(code: string): string {
  return code.replaceAll('.', '_')
}

interface Facts {
  /** The detail that names the fact. */
  readonly by: string
  /** The facts that there are words for, each with the details that its words need. */
  readonly known: Readonly<Record<string, readonly string[]>>
}

export const failureFacts: Readonly<Record<string, Facts>> = {
  'import.unreadable': {
    by: 'reason',
    known: {
      'too-large': ['limit'],
      'utf-16': [],
      binary: ['line'],
      encoding: ['line'],
      'line-too-long': ['line', 'limit'],
      'too-many-rows': ['limit'],
      'too-many-columns': ['line', 'limit'],
      'bad-quotes': ['line'],
    },
  },
  'link.wrong-firmware': { by: 'reason', known: { 'spinel-rcp': [], 'openthread-cli': [], 'slip-radio': [] } },
  'network.down': { by: 'reason', known: { 'no-channel': [], 'no-multicast': [] } },
  'access.role-needed': { by: 'role', known: { installer: [], engineer: [], operator: [] } },
  'access.wait': { by: 'reason', known: { seconds: ['seconds'] } },
  'template.invalid': {
    by: 'reason',
    known: { twice: ['value'], 'unknown-role': ['value'], 'unknown-group': ['value'], 'shared-in-turn': ['value'] },
  },
  'device.duplicate': { by: 'field', known: { eui64: ['name', 'value'], serial: ['name', 'value'] } },
}

export interface FailureFact {
  /** The key below the help of the failure's code. */
  readonly name: string
  readonly params: Readonly<Record<string, string | number>>
}

/** What the details say beyond the code, where there are words for it. */
export function failureFact({ code, details }: Failure): FailureFact | null {
  const facts = Object.hasOwn(failureFacts, code) ? failureFacts[code] : undefined
  const name = facts === undefined ? undefined : details[facts.by]
  if (facts === undefined || typeof name !== 'string' || !Object.hasOwn(facts.known, name)) return null
  const params: Record<string, string | number> = {}
  for (const need of facts.known[name] ?? []) {
    const value = details[need]
    if (typeof value !== 'string' && typeof value !== 'number') return null
    params[need] = value
  }
  return { name: `fact.${name}`, params }
}

/** A failure of which only the code came, as rows bear it. */
export function failureOfCode(code: string, message = ''): Failure {
  return { code, message, retryable: true, details: {} }
}
