// The extensions of a ClientHello, and what a server's answer to them may be (RFC 5246 §7.4.1.3, §7.4.1.4).
import { utf8 } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'
import { uint, vector } from './bytes.ts'
import { GROUP_NAMES, groupId } from './groups.ts'
import type { Settled } from './handshake.ts'
import type { ClientHello } from './messages/client-hello.ts'
import {
  connectionIdOf,
  encodeNumberList,
  hasExtendedMasterSecret,
  maxFragmentBytesOf,
  requireFirstNegotiation,
  requireUncompressed,
  singleByte,
  type Extensions,
} from './messages/extensions.ts'
import type { ServerHello } from './messages/server-hello.ts'
import { CERTIFICATE_TYPE, DTLS_1_2, EXTENSION, MAX_PLAINTEXT_BYTES, UNCOMPRESSED } from './numbers.ts'
import { OFFERED_SCHEMES } from './signatures.ts'
import { suitesNamed, type CipherSuite } from './suites.ts'
import type { DtlsClientSettings } from './types.ts'

const EMPTY = new Uint8Array(0)
const HOST_NAME = 0

export function helloExtensions(
  settings: DtlsClientSettings,
  suites: readonly CipherSuite[],
  connectionId: Uint8Array | undefined,
): Extensions {
  const extensions = new Map<number, Uint8Array>()
  const { serverName, maxFragmentBytes, credential, acceptsRawPublicKeys } = settings
  // RFC 6066 §3: names only, never addresses.
  if (serverName !== undefined && !/^[\d.]+$|:/.test(serverName))
    extensions.set(EXTENSION.serverName, vector(2, uint(1, HOST_NAME), vector(2, utf8(serverName))))
  extensions.set(EXTENSION.extendedMasterSecret, EMPTY)
  extensions.set(EXTENSION.renegotiationInfo, uint(1, 0))
  if (maxFragmentBytes !== undefined) extensions.set(EXTENSION.maxFragmentLength, uint(1, Math.log2(maxFragmentBytes) - 8))
  if (suites.some(({ keyExchange }) => keyExchange === 'ECDHE_ECDSA')) {
    extensions.set(EXTENSION.supportedGroups, encodeNumberList((settings.groups ?? GROUP_NAMES).map(groupId)))
    extensions.set(EXTENSION.ecPointFormats, vector(1, uint(1, UNCOMPRESSED)))
    extensions.set(EXTENSION.signatureAlgorithms, encodeNumberList(OFFERED_SCHEMES))
    if (acceptsRawPublicKeys === true)
      extensions.set(EXTENSION.serverCertificateType, Uint8Array.of(2, CERTIFICATE_TYPE.rawPublicKey, CERTIFICATE_TYPE.x509))
    if (credential?.kind === 'public-key') extensions.set(EXTENSION.clientCertificateType, Uint8Array.of(1, CERTIFICATE_TYPE.rawPublicKey))
  }
  if (connectionId !== undefined) extensions.set(EXTENSION.connectionId, vector(1, connectionId))
  return extensions
}

export interface AcceptedChoice extends Settled {
  readonly serverCertificateType: number
  readonly clientCertificateType: number
}

/** Throws the alert of an answer that the offer does not allow. */
export function readServerChoice(offer: ClientHello, answer: ServerHello, settings: DtlsClientSettings): AcceptedChoice {
  if (answer.version !== DTLS_1_2) throw new AlertFailure('protocol_version', 'The server does not speak DTLS 1.2')
  const suite = suitesNamed(settings.suites).find(({ id }) => id === answer.suite && offer.suites.includes(id))
  if (suite === undefined || answer.compression !== 0)
    throw new AlertFailure('illegal_parameter', 'The server takes a cipher suite or compression that was not offered')
  for (const type of answer.extensions.keys()) {
    if (!offer.extensions.has(type)) throw new AlertFailure('unsupported_extension', 'The server answers an extension that was not offered')
  }
  requireFirstNegotiation(answer.extensions)
  requireUncompressed(answer.extensions)
  const extendedMasterSecret = hasExtendedMasterSecret(answer.extensions)
  if (settings.requiresExtendedMasterSecret === true && !extendedMasterSecret)
    throw new AlertFailure('handshake_failure', 'The server lacks the extended master secret')
  const maxFragmentBytes = maxFragmentBytesOf(answer.extensions)
  if (maxFragmentBytes !== undefined && maxFragmentBytes !== settings.maxFragmentBytes)
    throw new AlertFailure('illegal_parameter', 'The server answers another max_fragment_length than was asked for')
  const write = connectionIdOf(answer.extensions)
  const read = connectionIdOf(offer.extensions)
  return {
    suite,
    extendedMasterSecret,
    maxFragmentBytes: maxFragmentBytes ?? MAX_PLAINTEXT_BYTES,
    connectionIds: write === undefined || read === undefined ? undefined : { write: write.slice(), read },
    serverCertificateType: certificateType(offer, answer, EXTENSION.serverCertificateType),
    clientCertificateType: certificateType(offer, answer, EXTENSION.clientCertificateType),
  }
}

function certificateType(offer: ClientHello, answer: ServerHello, extension: number): number {
  const type = singleByte(answer.extensions, extension)
  if (type === undefined) return CERTIFICATE_TYPE.x509
  const offered = offer.extensions.get(extension)?.subarray(1) ?? EMPTY
  if (!offered.includes(type))
    throw new AlertFailure('unsupported_certificate', 'The server takes a type of certificate that was not offered')
  return type
}
