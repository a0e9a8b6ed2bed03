// What a datapoint does in a group, by what its interfaces say it is: those that receive are written, others send and answer.
import type { KnxProjectDevice } from '#contract/model.ts'

type Flag = NonNullable<KnxProjectDevice['groups'][number]['objects']>[number]['flags'][number]

export function flagsFor(interfaces: readonly string[]): Flag[] {
  const receives = interfaces.some((name) => name.endsWith(':if.a') || name.endsWith(':if.i'))
  return receives ? ['communicate', 'write'] : ['communicate', 'read', 'transmit']
}
