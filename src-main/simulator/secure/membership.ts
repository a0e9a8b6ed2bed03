// One device's part in one security group: joins at the Group Manager until it is a member, asks for keys that it has missed, leaves
// (key-groupcomm-oscore-21 §6, §9, §11.3).
import { toAppError, type Clock, type Logger, type Random, type SocketAddress, type Timer } from '#main/base/index.ts'
import { GroupMemberClient, rolesOf, type GroupMemberClientOptions } from '#main/services/group-manager/index.ts'
import type { CoapClient, ResourceRegistry } from '#main/wire/coap/index.ts'
import { volatileSequences, type OscoreLayer, type SequenceStore } from '#main/wire/oscore/index.ts'
import type { JoinState, SecurityBinding, SecurityGroupView } from './types.ts'

export interface MembershipPorts {
  readonly client: CoapClient
  readonly layer: OscoreLayer
  /** Name of the context with the Group Manager. */
  readonly managerContext: string
  readonly registry: ResourceRegistry
  /** Where this group's keys are brought to. */
  readonly keysPath: string
  readonly keysFor: GroupMemberClientOptions['keysFor']
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The device was in the group before its memory was lost: what it received then is not known any more. */
  readonly hasForgotten: boolean
  /** One join after the other: the Group Manager remembers one challenge of a device, its last (key-groupcomm-oscore-21 §6.2). */
  readonly inTurn: (work: () => Promise<void>) => void
  readonly onEvicted: () => void
}

const FIRST_RETRY_MS = 2000
const LONGEST_RETRY_MS = 60_000
/** Not all that have missed a rekeying ask in the same moment. */
const ASK_SPREAD_MS = 2000
const ASK_AGAIN_MS = 10_000
const MOST_ASKED = 6
const GROUP_URI = /^coap:\/\/\[([0-9a-f:.]{2,45})\](?::(\d{1,5}))?\/ace-group\/([^/?#]+)$/i

/** Where the Group Manager is, and the group's name there; undefined for what is no such URI. */
export function readGroupUri(text: string): { readonly manager: SocketAddress; readonly name: string } | undefined {
  const [, address, port = '5683', segment] = GROUP_URI.exec(text) ?? []
  if (address === undefined || segment === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined
  try {
    return { manager: { address: address.toLowerCase(), port: Number(port) }, name: decodeURIComponent(segment) }
  } catch {
    return undefined
  }
}

export class Membership {
  readonly #ports: MembershipPorts
  readonly #client: GroupMemberClient
  readonly #ending = new AbortController()
  #binding: SecurityBinding
  #state: JoinState
  #reason = ''
  #retryMs = FIRST_RETRY_MS
  #isLeaving = false
  #joinTimer: Timer | undefined
  #askTimer: Timer | undefined
  #lastAskMs = Number.NEGATIVE_INFINITY

  constructor(binding: SecurityBinding, manager: SocketAddress, ports: MembershipPorts) {
    const { client, layer, managerContext, registry, keysPath, keysFor, clock, random, logger } = ports
    this.#ports = ports
    this.#binding = binding
    this.#state = binding.evicted ? 'failed' : 'joining'
    this.#reason = binding.evicted ? 'evicted' : ''
    this.#client = new GroupMemberClient({
      client,
      manager,
      managerContext,
      layer,
      groupName: binding.name,
      roles: rolesOf(binding.roles),
      keysFor,
      control: { registry, path: keysPath },
      clock,
      random,
      sequences: ports.hasForgotten ? forgetfulSequences() : volatileSequences(),
      logger,
      onChange: (state) => {
        if (state === 'evicted' || state === 'deleted') this.#putOut(state)
      },
    })
  }

  get binding(): SecurityBinding {
    return this.#binding
  }

  get view(): SecurityGroupView {
    const { name, apps } = this.#binding
    return { name, apps, state: this.#state, reason: this.#reason, generation: this.#client.generation ?? 0 }
  }

  get joined(): boolean {
    return this.#state === 'joined'
  }

  /** Other application groups under the same keys. */
  bind(binding: SecurityBinding): void {
    this.#binding = binding
  }

  /** Joins `delayMs` from now, and tries again until it is a member. */
  join(delayMs: number): void {
    if (this.#binding.evicted || this.joined) return
    this.#joinTimer?.cancel()
    this.#joinTimer = this.#ports.clock.setTimer(delayMs, () => this.#ports.inTurn(() => this.#join()))
  }

  /** Something came under keys that it does not have: perhaps there are new ones. */
  askForKeys(): void {
    const { clock, random } = this.#ports
    if (!this.joined || this.#askTimer !== undefined || clock.monotonicMs() - this.#lastAskMs < ASK_AGAIN_MS) return
    this.#askTimer = clock.setTimer(random.fraction() * ASK_SPREAD_MS, () => void this.#ask(1))
  }

  /** Tells the Group Manager where that is possible; the keys are gone at once. */
  leave(): void {
    this.#stop()
    this.#isLeaving = true
    this.#client.leave().catch((thrown: unknown) => this.#note(thrown, 'could not tell that it leaves'))
  }

  /** Forgets the keys and tells nobody. */
  close(): void {
    this.#stop()
    this.#client.close()
  }

  #stop(): void {
    this.#ending.abort()
    this.#joinTimer?.cancel()
    this.#askTimer?.cancel()
  }

  #hasEnded(): boolean {
    return this.#ending.signal.aborted
  }

  async #join(): Promise<void> {
    if (this.#hasEnded()) return
    try {
      await this.#client.join(this.#ending.signal)
      if (this.#hasEnded()) {
        // It came too late. Who leaves tells the Group Manager first.
        if (!this.#isLeaving) this.#client.close()
        return
      }
      this.#state = 'joined'
      this.#reason = ''
      this.#retryMs = FIRST_RETRY_MS
    } catch (thrown) {
      if (this.#hasEnded()) return
      const { code, details } = toAppError(thrown)
      const isRefused = code === 'coap.response-error'
      this.#state = isRefused ? 'failed' : 'joining'
      this.#reason = isRefused ? `refused ${typeof details.code === 'string' ? details.code : ''}`.trimEnd() : code
      this.#note(thrown, 'could not join')
      this.join(this.#retryMs)
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS)
    }
  }

  async #ask(attempt: number): Promise<void> {
    const { clock } = this.#ports
    this.#lastAskMs = clock.monotonicMs()
    try {
      await this.#client.refresh()
      this.#askTimer = undefined
    } catch (thrown) {
      this.#askTimer = undefined
      this.#note(thrown, 'could not ask for new keys')
      if (!this.joined || this.#hasEnded() || attempt >= MOST_ASKED) return
      this.#askTimer = clock.setTimer(ASK_AGAIN_MS, () => void this.#ask(attempt + 1))
    }
  }

  #putOut(reason: string): void {
    this.#stop()
    this.#state = 'failed'
    this.#reason = reason
    this.#binding = { ...this.#binding, evicted: true }
    this.#ports.onEvicted()
  }

  #note(thrown: unknown, what: string): void {
    this.#ports.logger.debug({ code: toAppError(thrown).code, group: this.#binding.name }, `a demo device ${what}`)
  }
}

/**
 * For a group that it was in before: with its Sender ID its numbers begin anew, but until there are other keys no request counts as new
 * before it has proven it (RFC 8613 Appendix B.1.2).
 */
function forgetfulSequences(): SequenceStore {
  const inner = volatileSequences()
  let isFirst = true
  return {
    ...inner,
    establish: (context) => {
      const isNew = inner.establish(context) && !isFirst
      isFirst = false
      return isNew
    },
  }
}
