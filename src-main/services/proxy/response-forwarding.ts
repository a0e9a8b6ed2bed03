// The server's side of the older protocol: a server that is asked through a proxy says in each response who it is
// (draft-tiloca-core-groupcomm-proxy-00 §5.3). Servers of -07 know nothing of proxies.
import type { IncomingRequest, Method, OutgoingResponse, Resource, ResourceHandler } from '#main/wire/coap/index.ts'
import { readMulticastSignaling, responseForwardingOption, SUGGESTED_OPTION_NUMBERS, type ProxyOptionNumbers } from './options.ts'

/** The resource as it is, with Response-Forwarding in its responses to requests that carry Multicast-Signaling. */
export function answeringThroughProxies(
  resource: Resource,
  /** This server's unicast address, of the IP version that the request was sent over (§5.3). */
  addressFor: (request: IncomingRequest) => string,
  numbers: ProxyOptionNumbers = SUGGESTED_OPTION_NUMBERS,
): Resource {
  const answered = (request: IncomingRequest, response: OutgoingResponse | undefined): OutgoingResponse | undefined => {
    if (response === undefined) return undefined
    const option = responseForwardingOption(numbers, addressFor(request))
    return { ...response, options: [...(response.options ?? []), option] }
  }
  const wrap =
    (handler: ResourceHandler): ResourceHandler =>
    (request) => {
      const signaled = readMulticastSignaling(numbers, request.options)
      if (signaled === undefined) return handler(request)
      // A critical option whose value makes no sense (RFC 7252 §5.4.1).
      if (signaled === 'invalid') return { code: '4.02' }
      const outcome = handler(request)
      return outcome instanceof Promise ? outcome.then((response) => answered(request, response)) : answered(request, outcome)
    }
  const handlers: Partial<Record<Method, ResourceHandler>> = { ...resource.handlers }
  for (const method of methodsOf(resource)) {
    const handler = resource.handlers[method]
    if (handler !== undefined) handlers[method] = wrap(handler)
  }
  return { ...resource, handlers, criticalOptions: [...(resource.criticalOptions ?? []), numbers.multicastSignaling] }
}

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH']

function methodsOf(resource: Resource): readonly Method[] {
  return METHODS.filter((method) => resource.handlers[method] !== undefined)
}
