// Application groups asked for at a Resource Directory (groupcomm-bis-18 §2.2.3.1, RFC 9176 §6 and Appendix A).
import { AppError, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import {
  directoryGroupQuery,
  directoryGroupResourceQuery,
  readDirectoryGroupResources,
  readDirectoryGroups,
  type DirectoryGroup,
  type DirectoryGroupResource,
} from './group-directory.ts'
import { parseLinkFormat } from './link-format.ts'
import type { CoapClient, Link, RequestOptions } from './types.ts'

/** The groups that a directory knows, all of them or one. Fails as `request` does, and with `coap.response-error`, `link-format.invalid`. */
export async function lookUpGroups(
  client: CoapClient,
  directory: SocketAddress,
  of: { readonly name?: string; readonly sector?: string } = {},
  options?: RequestOptions,
): Promise<DirectoryGroup[]> {
  return readDirectoryGroups(await lookUp(client, directory, 'ep', directoryGroupQuery(of), options))
}

/** What members of groups offer, as a directory knows it. Fails as `lookUpGroups` does. */
export async function lookUpGroupResources(
  client: CoapClient,
  directory: SocketAddress,
  of: { readonly type?: string; readonly name?: string } = {},
  options?: RequestOptions,
): Promise<DirectoryGroupResource[]> {
  return readDirectoryGroupResources(await lookUp(client, directory, 'res', directoryGroupResourceQuery(of), options))
}

async function lookUp(
  client: CoapClient,
  directory: SocketAddress,
  of: 'ep' | 'res',
  query: readonly string[],
  options?: RequestOptions,
): Promise<Link[]> {
  const { code, payload } = await client.request(directory, { method: 'GET', path: ['rd-lookup', of], query }, options)
  if (code !== '2.05') throw new AppError('coap.response-error', `The directory answered ${code}`, { details: { code } })
  const text = utf8ToText(payload)
  if (text === undefined) throw new AppError('link-format.invalid', 'The directory’s answer is no text')
  return [...parseLinkFormat(text)]
}
