// Brings a KNX IoT device to what the project wants of it: address, tables, keys, in the order that both public stacks survive.
import { AppError } from '#main/base/index.ts'
import type { InstallationId } from './addresses.ts'
import type { KnxDevice, TableName } from './device.ts'
import type { GroupObject, GroupRoute, GroupToken } from './tables.ts'

export interface KnxConfiguration {
  readonly installation: InstallationId
  readonly individualAddress: number
  readonly fabricId?: number
  readonly groupObjects: readonly GroupObject[]
  /** Groups to which it sends, and to which it answers reads. */
  readonly recipients: readonly GroupRoute[]
  /** Groups from which it receives: without these it does not listen. */
  readonly publishers: readonly GroupRoute[]
  /** Written before the tables become effective: written later, the older stack sends to its groups no more. */
  readonly groupTokens: readonly GroupToken[]
  /**
   * Draws a context id that this device has never sent under; the tokens' own is used where there is none. Writing any token lets the older
   * stack count from zero under all of them, and a nonce must not come twice.
   */
  readonly freshContext?: () => Uint8Array
}

export interface KnxDifference {
  readonly address: boolean
  /** Entries to write and to remove. */
  readonly tables: Readonly<Record<TableName, { readonly write: readonly number[]; readonly remove: readonly number[] }>>
  /** Names of tokens that are missing; what the others hold cannot be read back. */
  readonly tokens: readonly string[]
  /** Names of tokens of groups that it is to be in no more. */
  readonly staleTokens: readonly string[]
  readonly isLoaded: boolean
}

/** Names of the tokens that this program writes for groups. */
const GROUP_TOKEN = /^g\d{1,10}$/

export function groupTokenId(groupAddress: number): string {
  return `g${groupAddress}`
}

export type KnxStep = 'address' | 'start-loading' | 'tables' | 'keys' | 'load-complete' | 'verified'

/** What would be sent. Nothing is written. */
export async function compareKnx(device: KnxDevice, wanted: KnxConfiguration): Promise<KnxDifference> {
  const isLoaded = (await device.loadState()) === 'loaded'
  const sameAddress =
    (await device.individualAddress()) === wanted.individualAddress && (await device.installation()) === wanted.installation
  const tokenIds = await device.tokenIds()
  const wantedIds = new Set(wanted.groupTokens.map(({ id }) => id))
  return {
    address: !sameAddress,
    tables: {
      g: difference(await device.groupObjects(), wanted.groupObjects, sameObject),
      r: difference(await device.routes('r'), wanted.recipients, sameRoute),
      p: difference(await device.routes('p'), wanted.publishers, sameRoute),
    },
    tokens: [...wantedIds].filter((id) => !tokenIds.includes(id)),
    staleTokens: tokenIds.filter((id) => GROUP_TOKEN.test(id) && !wantedIds.has(id)),
    isLoaded,
  }
}

export function isEmptyDifference({ address, tables, tokens, staleTokens, isLoaded }: KnxDifference): boolean {
  const same = Object.values(tables).every(({ write, remove }) => write.length + remove.length === 0)
  return !address && same && tokens.length + staleTokens.length === 0 && isLoaded
}

/**
 * Writes the difference and reads it back. Can be broken off and begun again at every request: a device that was left loading is loaded
 * on. Throws `profile.reply-unexpected` where what is read back differs.
 */
export async function configureKnx(
  device: KnxDevice,
  wanted: KnxConfiguration,
  onStep: (step: KnxStep) => void = () => undefined,
): Promise<'unchanged' | 'written'> {
  const before = await compareKnx(device, wanted)
  if (isEmptyDifference(before)) return 'unchanged'
  if (before.address) {
    await device.assignAddress(wanted.individualAddress, wanted.installation, wanted.fabricId)
    onStep('address')
  }
  await device.changeLoadState('start-loading')
  onStep('start-loading')
  // Addresses are taken away before others are given: tables are small.
  for (const table of ['r', 'p', 'g'] as const) await device.removeEntries(table, before.tables[table].remove)
  await device.writeGroupObjects(wanted.groupObjects.filter(({ id }) => before.tables.g.write.includes(id)))
  await device.writeRoutes(
    'p',
    wanted.publishers.filter(({ id }) => before.tables.p.write.includes(id)),
  )
  await device.writeRoutes(
    'r',
    wanted.recipients.filter(({ id }) => before.tables.r.write.includes(id)),
  )
  onStep('tables')
  for (const id of before.staleTokens) await device.removeToken(id)
  if (before.tokens.length > 0) {
    await writeTokens(device, wanted, before.tokens)
    onStep('keys')
  }
  const state = await device.changeLoadState('load-complete')
  onStep('load-complete')
  const after = await compareKnx(device, wanted)
  if (!isEmptyDifference({ ...after, isLoaded: after.isLoaded || state === 'load-completing' }))
    throw new AppError('profile.reply-unexpected', 'The device does not hold what was written', { retryable: true })
  onStep('verified')
  return 'written'
}

/**
 * All of them, though some are there: the older stack keeps the contexts of others that it heard under a token for as long as the token,
 * and sends under those once a token has been written.
 */
async function writeTokens(device: KnxDevice, { groupTokens, freshContext }: KnxConfiguration, missing: readonly string[]): Promise<void> {
  const contextId = freshContext?.()
  for (const { id } of groupTokens) if (!missing.includes(id)) await device.removeToken(id)
  await device.writeTokens(groupTokens.map((token) => (contextId === undefined ? token : { ...token, contextId })))
}

function difference<Entry extends { readonly id: number }>(
  present: readonly Entry[],
  wanted: readonly Entry[],
  same: (a: Entry, b: Entry) => boolean,
): { readonly write: readonly number[]; readonly remove: readonly number[] } {
  const byId = new Map(present.map((entry) => [entry.id, entry]))
  const isSame = (entry: Entry): boolean => {
    const there = byId.get(entry.id)
    return there !== undefined && same(there, entry)
  }
  const ids = new Set(wanted.map(({ id }) => id))
  return {
    write: wanted.filter((entry) => !isSame(entry)).map(({ id }) => id),
    remove: present.filter(({ id }) => !ids.has(id)).map(({ id }) => id),
  }
}

/** The order of group addresses counts: the first is the one that is sent to. */
function sameObject(a: GroupObject, b: GroupObject): boolean {
  return a.href === b.href && sameList(a.groupAddresses, b.groupAddresses) && sameList(a.flags.toSorted(), b.flags.toSorted())
}

function sameRoute(a: GroupRoute, b: GroupRoute): boolean {
  return a.groupId === b.groupId && sameList(a.groupAddresses.toSorted(ascending), b.groupAddresses.toSorted(ascending))
}

function ascending(a: number, b: number): number {
  return a - b
}

function sameList<Item>(a: readonly Item[], b: readonly Item[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
