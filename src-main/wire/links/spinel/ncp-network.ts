// Forming, joining and leaving a Thread network through an NCP, with the order that firmware needs: a dataset without timestamp never
// forms, and clearing the settings does not clear the memory (draft-rquattle-spinel-unified §5.4, §5.6).
import { AppError, utf8, concatBytes, type Clock } from '#main/base/index.ts'
import {
  checkDataset,
  decodeDataset,
  encodeDataset,
  missingInDataset,
  type NetworkDescription,
  type OperationalDataset,
} from '../dataset.ts'
import { datasetItems, datasetOfItems } from './dataset-items.ts'
import { COMMAND } from './frame.ts'
import { optional } from './ncp-firmware.ts'
import type { NcpState } from './ncp-status.ts'
import { pack, unpack } from './pack.ts'
import { PROP, type NetworkRole } from './properties.ts'
import type { SpinelSession } from './session.ts'
import { isJoinStatus, STATUS, statusName, statusOf, statusRemedy } from './status.ts'

/** What the operations on an NCP share. */
export interface NcpContext {
  readonly session: SpinelSession
  readonly state: NcpState
  readonly clock: Clock
}

export type NetworkPhase = 'stopping' | 'configuring' | 'starting' | 'attaching' | 'attached'

export interface NetworkProgress {
  readonly phase: NetworkPhase
  readonly role: NetworkRole
}

export interface NetworkOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: NetworkProgress) => void
  /** How long attaching may take; 60 s. A former leader that finds nobody takes up to 35 s to take its place again. */
  readonly timeoutMs?: number
  /**
   * Restarts the dongle between its old network and the new one, so that it forms at once and does not look for its old place for half
   * a minute. Not where a restart makes the port vanish, as on native USB. False by default.
   */
  readonly mayReset?: boolean
}

const ATTACH_TIMEOUT_MS = 60_000
const LEAVE_TIMEOUT_MS = 3_000
const JOIN_TIMEOUT_MS = 30_000

/** Makes a network of the dataset, or takes part in it where it exists. Fails with `link.network-invalid` where something is missing. */
export async function formNetwork(context: NcpContext, dataset: OperationalDataset, options: NetworkOptions = {}): Promise<void> {
  checkDataset(dataset)
  const missing = missingInDataset(dataset)
  if (missing.length > 0) {
    throw new AppError('link.network-invalid', `The dataset lacks ${missing.join(', ')}`, { details: { field: missing[0] ?? '' } })
  }
  await stopStack(context, options)
  await forgetNetwork(context, options)
  await setDataset(context.session, dataset)
  await optional(context.session.set(PROP.NET_REQUIRE_JOIN_EXISTING, false))
  await startStack(context, options)
}

/** Joins a network that exists; a description need not have a timestamp, the rest is learnt from the parent. */
export async function attachNetwork(
  context: NcpContext,
  network: OperationalDataset | NetworkDescription,
  options: NetworkOptions = {},
): Promise<void> {
  const dataset: OperationalDataset = 'others' in network ? network : { ...network, others: [] }
  checkDataset(dataset)
  const { session } = context
  await stopStack(context, options)
  await forgetNetwork(context, options)
  if (missingInDataset(dataset).length === 0) await setDataset(session, dataset)
  else await setProperties(session, dataset)
  await optional(session.set(PROP.NET_REQUIRE_JOIN_EXISTING, true))
  await startStack(context, options, true)
}

/** Says goodbye, forgets the network in flash and restarts the dongle, for its memory would keep key and role. */
export async function leaveNetwork(context: NcpContext, options: NetworkOptions = {}): Promise<void> {
  const { session, state } = context
  if (state.attached) {
    const gone = nextUpdate(context, PROP.NET_LEAVE_GRACEFULLY.number, LEAVE_TIMEOUT_MS)
    const known = await optional(session.set(PROP.NET_LEAVE_GRACEFULLY, undefined).then(() => true))
    if (known === true) await gone.promise
    gone.cancel()
  }
  await stopStack(context, options)
  await session.command(COMMAND.NET_CLEAR)
  state.set({ networkSaved: false })
  await session.reset()
}

/** Joins by a passphrase that a commissioner of the network has let in (Thread specification §8.4). */
export async function joinByPassphrase(context: NcpContext, pskd: string, options: NetworkOptions = {}): Promise<void> {
  const { session } = context
  checkPassphrase(pskd)
  await stopStack(context, options)
  await forgetNetwork(context, options)
  await session.set(PROP.NET_IF_UP, true)
  tell(context, options, 'starting')
  const outcome = nextUpdate(context, PROP.LAST_STATUS.number, options.timeoutMs ?? JOIN_TIMEOUT_MS, (value) =>
    isJoinStatus(unpack(PROP.LAST_STATUS.type, value)),
  )
  try {
    await session.set(PROP.MESHCOP_JOINER_COMMISSIONING, { start: true, more: concatBytes(utf8(pskd), Uint8Array.of(0)) })
    const value = await withSignal(outcome.promise, options.signal)
    const status = value === undefined ? STATUS.JOIN_RSP_TIMEOUT : unpack(PROP.LAST_STATUS.type, value)
    if (status !== STATUS.JOIN_SUCCESS) throw attachFailed(status)
  } finally {
    outcome.cancel()
  }
  await startStack(context, options, true)
}

/** 6 to 32 of the digits and upper-case letters without I, O, Q and Z (Thread specification §8.4.1.1). */
export function checkPassphrase(pskd: string): void {
  if (/^[0-9A-HJ-NPR-Y]{6,32}$/.test(pskd)) return
  throw new AppError('link.network-invalid', 'A joining passphrase has 6 to 32 digits and upper-case letters other than I, O, Q and Z', {
    details: { field: 'passphrase' },
  })
}

export async function readDataset(session: SpinelSession): Promise<OperationalDataset | undefined> {
  const tlvs = await optional(session.get(PROP.THREAD_ACTIVE_DATASET_TLVS))
  if (tlvs !== undefined) return tlvs.length === 0 ? undefined : decodeDataset(tlvs)
  const items = await optional(session.get(PROP.THREAD_ACTIVE_DATASET))
  return items === undefined || items.length === 0 ? undefined : datasetOfItems(items)
}

/** Brings up what is saved in flash. */
export async function resumeNetwork({ session }: NcpContext): Promise<void> {
  await session.set(PROP.NET_IF_UP, true)
  await session.set(PROP.NET_STACK_UP, true)
}

async function stopStack(context: NcpContext, options: NetworkOptions): Promise<void> {
  options.signal?.throwIfAborted()
  tell(context, options, 'stopping')
  await context.session.set(PROP.NET_STACK_UP, false)
  await context.session.set(PROP.NET_IF_UP, false)
  // The notification of it may be lost on the line; a stopped stack has no role in any case.
  context.state.set({ role: 'disabled' })
}

async function forgetNetwork(context: NcpContext, options: NetworkOptions): Promise<void> {
  const { session, state } = context
  tell(context, options, 'configuring')
  await session.command(COMMAND.NET_CLEAR)
  if (options.mayReset !== true) return
  await session.reset()
  state.forgetVolatile()
  state.set({ networkSaved: false })
}

async function startStack(context: NcpContext, options: NetworkOptions, mustExist = false): Promise<void> {
  const { session, state } = context
  options.signal?.throwIfAborted()
  tell(context, options, 'starting')
  const failure = nextUpdate(context, PROP.LAST_STATUS.number, options.timeoutMs ?? ATTACH_TIMEOUT_MS, (value) => isFailedJoin(value))
  const success = whenAttached(context, options)
  try {
    await resumeNetwork(context)
    tell(context, options, 'attaching')
    const outcome = await withSignal(Promise.race([success.promise, failure.promise]), options.signal)
    if (outcome !== 'attached') throw attachFailed(outcome === undefined ? STATUS.JOIN_NO_PEERS : unpack(PROP.LAST_STATUS.type, outcome))
    if (mustExist && state.status.role === 'leader') {
      await session.set(PROP.NET_STACK_UP, false)
      throw attachFailed(STATUS.JOIN_FAILURE)
    }
    tell(context, options, 'attached')
  } catch (error) {
    // Who cancelled does not want the dongle to go on by itself.
    if (options.signal?.aborted === true) await session.set(PROP.NET_STACK_UP, false).catch(() => undefined)
    throw error
  } finally {
    success.cancel()
    failure.cancel()
  }
}

function whenAttached(
  context: NcpContext,
  options: NetworkOptions,
): { readonly promise: Promise<'attached'>; readonly cancel: () => void } {
  const { state } = context
  const { promise, resolve } = Promise.withResolvers<'attached'>()
  let { role } = state.status
  const look = (): void => {
    if (state.attached) resolve('attached')
    else if (state.status.role !== role) tell(context, options, 'attaching')
    role = state.status.role
  }
  const cancel = state.watch(look)
  look()
  return { promise, cancel }
}

/** The next value of the property that the NCP tells by itself; undefined when none came in time. */
function nextUpdate(
  { session, clock }: NcpContext,
  property: number,
  timeoutMs: number,
  fits: (value: Uint8Array) => boolean = () => true,
): { readonly promise: Promise<Uint8Array | undefined>; readonly cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>()
  const timer = clock.setTimer(timeoutMs, () => resolve(undefined))
  const unsubscribe = session.subscribe((event) => {
    if (event.kind === 'reset' || event.kind === 'closed') resolve(undefined)
    else if (event.kind === 'update' && event.property === property && fits(event.value)) resolve(event.value)
  })
  const cancel = (): void => {
    timer.cancel()
    unsubscribe()
    resolve(undefined)
  }
  return { promise, cancel }
}

function isFailedJoin(value: Uint8Array): boolean {
  const status = unpack(PROP.LAST_STATUS.type, value)
  return isJoinStatus(status) && status !== STATUS.JOIN_SUCCESS
}

async function setDataset(session: SpinelSession, dataset: OperationalDataset): Promise<void> {
  try {
    await session.set(PROP.THREAD_ACTIVE_DATASET_TLVS, encodeDataset(dataset))
  } catch (error) {
    if (statusOf(error) !== STATUS.PROP_NOT_FOUND) throw error
    await session.set(PROP.THREAD_ACTIVE_DATASET, datasetItems(dataset))
  }
}

async function setProperties(session: SpinelSession, dataset: OperationalDataset): Promise<void> {
  const { channel, panId, extendedPanId, networkName, networkKey, meshLocalPrefix, pskc } = dataset
  if (channel === undefined || networkKey === undefined) {
    throw new AppError('link.network-invalid', 'Channel and network key are needed to join', {
      details: { field: channel === undefined ? 'channel' : 'networkKey' },
    })
  }
  await session.set(PROP.PHY_CHAN, channel)
  if (panId !== undefined) await session.set(PROP.MAC_15_4_PANID, panId)
  if (extendedPanId !== undefined) await session.set(PROP.NET_XPANID, extendedPanId)
  if (networkName !== undefined) await session.set(PROP.NET_NETWORK_NAME, networkName)
  await session.set(PROP.NET_NETWORK_KEY, networkKey)
  if (meshLocalPrefix !== undefined) {
    await session.ask({
      verb: 'set',
      property: PROP.IPV6_ML_PREFIX.number,
      value: pack(PROP.IPV6_ML_PREFIX.type, { prefix: meshLocalPrefix.replace(/\/64$/, ''), prefixLength: 64 }),
    })
  }
  if (pskc !== undefined) await session.set(PROP.NET_PSKC, pskc)
}

function attachFailed(status: number): AppError {
  const remedy = statusRemedy(status)
  return new AppError('link.attach-failed', `The dongle did not join: ${statusName(status)}${remedy === undefined ? '' : `. ${remedy}`}`, {
    retryable: true,
    details: { status, name: statusName(status), ...(remedy === undefined ? {} : { remedy }) },
  })
}

function tell({ state }: NcpContext, { onProgress }: NetworkOptions, phase: NetworkPhase): void {
  onProgress?.({ phase, role: state.status.role })
}

/** The promise, or the signal's reason as soon as it aborts. */
export function withSignal<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new AppError('cancelled', 'The operation was cancelled'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
