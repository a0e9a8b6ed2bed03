// What a server chooses from a ClientHello (RFC 5246 §7.4.1.3), and the extensions of its answer.
import { AlertFailure } from './alert.ts'
import { uint, vector } from './bytes.ts'
import { GROUP_NAMES, groupById, type GroupName } from './groups.ts'
import type { Settled } from './handshake.ts'
import type { ClientHello } from './messages/client-hello.ts'
import {
  byteList,
  connectionIdOf,
  hasExtendedMasterSecret,
  maxFragmentBytesOf,
  numberList,
  requireFirstNegotiation,
  requireUncompressed,
  type Extensions,
} from './messages/extensions.ts'
import { CERTIFICATE_TYPE, DTLS_1_2, EMPTY_RENEGOTIATION_INFO_SCSV, EXTENSION, MAX_PLAINTEXT_BYTES, UNCOMPRESSED } from './numbers.ts'
import { canSignFor } from './signatures.ts'
import { suitesNamed, type CipherSuite } from './suites.ts'
import type { DtlsServerSettings } from './types.ts'

export interface ServerChoice extends Settled {
  readonly group: GroupName
  readonly clientCertificateType: number
  readonly asksCertificate: boolean
  readonly answer: Extensions
}

export function chooseForServer(
  hello: ClientHello,
  settings: DtlsServerSettings,
  ownConnectionId: () => Uint8Array | undefined,
): ServerChoice {
  // Versions count downwards: a larger number is an older one.
  if (hello.version > DTLS_1_2) throw new AlertFailure('protocol_version', 'The client does not speak DTLS 1.2')
  requireFirstNegotiation(hello.extensions)
  const extendedMasterSecret = hasExtendedMasterSecret(hello.extensions)
  if (settings.requiresExtendedMasterSecret === true && !extendedMasterSecret)
    throw new AlertFailure('handshake_failure', 'The client lacks the extended master secret')
  const group = commonGroup(hello, settings)
  const suite = commonSuite(hello, settings, group !== undefined)
  const asksCertificate = suite.keyExchange === 'ECDHE_ECDSA' && (settings.clientCertificates ?? 'none') !== 'none'
  const clientCertificateType = asksCertificate ? commonCertificateType(hello, settings) : CERTIFICATE_TYPE.x509
  const maxFragmentBytes = maxFragmentBytesOf(hello.extensions)
  const offeredConnectionId = connectionIdOf(hello.extensions)
  const connectionId = offeredConnectionId === undefined ? undefined : ownConnectionId()

  const answer = new Map<number, Uint8Array>()
  if (hello.extensions.has(EXTENSION.renegotiationInfo) || hello.suites.includes(EMPTY_RENEGOTIATION_INFO_SCSV))
    answer.set(EXTENSION.renegotiationInfo, uint(1, 0))
  if (extendedMasterSecret) answer.set(EXTENSION.extendedMasterSecret, new Uint8Array(0))
  if (maxFragmentBytes !== undefined)
    answer.set(EXTENSION.maxFragmentLength, hello.extensions.get(EXTENSION.maxFragmentLength) ?? uint(1, 0))
  if (suite.keyExchange === 'ECDHE_ECDSA') {
    if (hello.extensions.has(EXTENSION.ecPointFormats)) answer.set(EXTENSION.ecPointFormats, vector(1, uint(1, UNCOMPRESSED)))
    if (hello.extensions.has(EXTENSION.serverCertificateType))
      answer.set(EXTENSION.serverCertificateType, uint(1, ownCertificateType(settings)))
    if (asksCertificate && hello.extensions.has(EXTENSION.clientCertificateType))
      answer.set(EXTENSION.clientCertificateType, uint(1, clientCertificateType))
  }
  if (connectionId !== undefined) answer.set(EXTENSION.connectionId, vector(1, connectionId))
  return {
    suite,
    group: group ?? 'P-256',
    extendedMasterSecret,
    maxFragmentBytes: maxFragmentBytes ?? MAX_PLAINTEXT_BYTES,
    connectionIds:
      connectionId === undefined || offeredConnectionId === undefined ? undefined : { write: offeredConnectionId, read: connectionId },
    clientCertificateType,
    asksCertificate,
    answer,
  }
}

/** Who names no groups takes P-256 (RFC 8422 §4). */
function commonGroup(hello: ClientHello, settings: DtlsServerSettings): GroupName | undefined {
  requireUncompressed(hello.extensions)
  const offered = numberList(hello.extensions, EXTENSION.supportedGroups)?.map(groupById) ?? ['P-256']
  return (settings.groups ?? GROUP_NAMES).find((name) => offered.includes(name))
}

function commonSuite(hello: ClientHello, settings: DtlsServerSettings, hasGroup: boolean): CipherSuite {
  const schemes = numberList(hello.extensions, EXTENSION.signatureAlgorithms) ?? []
  const { credential, psk } = settings
  const types = byteList(hello.extensions, EXTENSION.serverCertificateType) ?? [CERTIFICATE_TYPE.x509]
  const canSign = credential !== undefined && canSignFor(credential.key, schemes) && types.includes(ownCertificateType(settings))
  const isPossible = ({ keyExchange }: CipherSuite): boolean => (keyExchange === 'PSK' ? psk !== undefined : canSign && hasGroup)
  const suite = suitesNamed(settings.suites).find((candidate) => hello.suites.includes(candidate.id) && isPossible(candidate))
  if (suite === undefined) throw new AlertFailure('handshake_failure', 'There is no cipher suite that both sides can use')
  return suite
}

function ownCertificateType(settings: DtlsServerSettings): number {
  return settings.credential?.kind === 'public-key' ? CERTIFICATE_TYPE.rawPublicKey : CERTIFICATE_TYPE.x509
}

function commonCertificateType(hello: ClientHello, settings: DtlsServerSettings): number {
  const offered = byteList(hello.extensions, EXTENSION.clientCertificateType) ?? [CERTIFICATE_TYPE.x509]
  const type = offered.find(
    (candidate) =>
      candidate === CERTIFICATE_TYPE.x509 || (candidate === CERTIFICATE_TYPE.rawPublicKey && settings.acceptsRawPublicKeys === true),
  )
  if (type === undefined) throw new AlertFailure('unsupported_certificate', 'There is no type of certificate that both sides can use')
  return type
}
