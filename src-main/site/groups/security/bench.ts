// What the test bench needs of the security layer: how a group's requests are protected, and who it was that has signed an answer.
import type { DeviceId, GroupId, SocketAddress } from '#main/base/index.ts'
import type { ClientResponse, CoapClient, RequestSecurity } from '#main/wire/coap/index.ts'

export interface GroupProtection {
  /** The security group's name. */
  readonly name: string
  readonly security: RequestSecurity
  /** The member that an answer is from: proven by its signature, whatever address it came from. */
  memberOf(peer: ClientResponse['peer']): DeviceId | undefined
  /** Lets members that do not know this tool yet ask for its credential first. */
  introduce(ways: ReadonlyArray<{ readonly client: CoapClient; readonly to: SocketAddress }>, signal: AbortSignal): Promise<void>
}

/** Port: undefined for groups that are unprotected by choice. */
export interface BenchSecurity {
  /** Throws `security.not-chosen` where nobody has chosen NoSec (draft-ietf-core-groupcomm-bis-18 §4), `security.locked`, `security.not-ready`. */
  protectionFor(groupId: GroupId): GroupProtection | undefined
}
