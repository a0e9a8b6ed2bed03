// One op of the contract as a component uses it: busy while it runs, its failure kept until cleared or run again.
import { readonly, ref, shallowRef } from 'vue'
import type { Ref, ShallowRef } from 'vue'
import type { Failure, LockableRole } from '#contract/model.ts'
import type { OpInput, OpName, OpOutput } from '#contract/ops.ts'
import { bridge } from '../bridge.ts'
import { useShell } from '../stores/shell.ts'

export interface Op<Name extends OpName> {
  /** Gives `undefined` when it failed; then `failure` says why. An op without output gives `true` for done. */
  readonly run: (input: OpInput<Name>) => Promise<Done<Name> | undefined>
  readonly busy: Readonly<Ref<boolean>>
  readonly failure: Readonly<ShallowRef<Failure | null>>
  readonly clear: () => void
}

const roles: readonly LockableRole[] = ['installer', 'engineer', 'operator']

export type Done<Name extends OpName> = undefined extends OpOutput<Name> ? true : OpOutput<Name>

function unforeseen(reason: unknown): Failure {
  return { code: 'internal', message: reason instanceof Error ? reason.message : String(reason), retryable: false, details: {} }
}

export function useOp<Name extends OpName>(name: Name): Op<Name> {
  const shell = useShell()
  const running = ref(0)
  const busy = ref(false)
  const failure = shallowRef<Failure | null>(null)

  async function run(input: OpInput<Name>): Promise<Done<Name> | undefined> {
    failure.value = null
    running.value += 1
    busy.value = true
    try {
      const reply = await bridge.call(name, input)
      if (reply.ok) return (reply.value ?? true) as Done<Name>
      // Whoever may not is asked for the PIN that lets him.
      const role = roles.find((each) => reply.error.code === 'access.role-needed' && each === reply.error.details.role)
      if (role !== undefined) shell.askForRole(role)
      // What a person stopped on purpose is not shown as a failure.
      if (reply.error.code !== 'cancelled') failure.value = { ...reply.error, details: { ...reply.error.details } }
    } catch (reason) {
      failure.value = unforeseen(reason)
    } finally {
      running.value -= 1
      busy.value = running.value > 0
    }
    return undefined
  }

  return { run, busy: readonly(busy), failure, clear: () => (failure.value = null) }
}
