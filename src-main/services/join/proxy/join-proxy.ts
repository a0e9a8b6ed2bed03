// Either kind of join proxy, by what is known of the registrar (draft-ietf-anima-constrained-join-proxy-20 §4.1).
import { StatefulJoinProxy } from './stateful.ts'
import { StatelessJoinProxy } from './stateless.ts'
import type { JoinProxy, JoinProxyOptions } from './types.ts'

/** One join-port, one registrar. Several side by side serve several registrars (draft -20 §4.6, §5.3). */
export function createJoinProxy(options: JoinProxyOptions): JoinProxy {
  return options.mode === 'stateless' ? new StatelessJoinProxy(options) : new StatefulJoinProxy(options)
}
