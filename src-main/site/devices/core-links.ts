// The links in an answer to `/.well-known/core` (RFC 6690); whatever is not such an answer has none.
import { AppError, utf8ToText } from '#main/base/index.ts'
import { parseLinkFormat, type ClientResponse, type Link } from '#main/wire/coap/index.ts'

const LONGEST_LINKS_BYTES = 64 * 1024

export function linksIn({ code, payload }: Pick<ClientResponse, 'code' | 'payload'>): readonly Link[] {
  const text = code === '2.05' && payload.length <= LONGEST_LINKS_BYTES ? utf8ToText(payload) : undefined
  if (text === undefined) return []
  try {
    return parseLinkFormat(text)
  } catch (thrown) {
    if (thrown instanceof AppError) return []
    throw thrown
  }
}
