// Numbers of IANA's registries that the Group Manager speaks: RFC 9594 §8, draft-ietf-ace-key-groupcomm-oscore-21 §12 and §17,
// draft-ietf-ace-oscore-gm-admin-17 §7, RFC 9200 §8, RFC 9203 §9. One parameter may have different labels in ace+cbor and ace-groupcomm+cbor.

/** CoAP Content-Formats. */
export const AceFormat = { ACE: 19, CWT: 61, GROUPCOMM: 261 } as const

/** ACE Groupcomm Parameters: map keys in application/ace-groupcomm+cbor. */
export const Param = {
  GID: 0,
  GNAME: 1,
  GURI: 2,
  SCOPE: 3,
  GET_CREDS: 4,
  CLIENT_CRED: 5,
  CNONCE: 6,
  GKTY: 7,
  KEY: 8,
  NUM: 9,
  PROFILE: 10,
  EXP: 11,
  EXI: 12,
  CREDS: 13,
  PEER_ROLES: 14,
  PEER_IDENTIFIERS: 15,
  GROUP_POLICIES: 16,
  KDC_CRED: 17,
  KDC_NONCE: 18,
  KDC_CRED_VERIFY: 19,
  REKEYING_SCHEME: 20,
  GROUP_SENDER_ID: 21,
  CLIENT_CRED_VERIFY: 24,
  CONTROL_URI: 26,
  SIGN_INFO: 29,
  KDC_CHALLENGE: 30,
  ECDH_INFO: 31,
  KDC_DH_CREDS: 32,
  SIGN_ENC_KEY: 33,
  STALE_NODE_IDS: 34,
} as const

/** gkty: Group_OSCORE_Input_Material. */
export const GKTY_GROUP_OSCORE = 1
/** ace_groupcomm_profile: coap_group_oscore_app. */
export const PROFILE_GROUP_OSCORE = 1
/** group_policies (RFC 9594 §4.3.1). */
export const Policy = { KEY_UPDATE_CHECK_INTERVAL: 1, EXPIRATION_DELTA: 2 } as const

/** OSCORE Security Context Parameters: keys of the map in `key`. */
export const KeyParam = {
  ID: 0,
  VERSION: 1,
  MS: 2,
  HKDF: 3,
  ALG: 4,
  SALT: 5,
  CONTEXT_ID: 6,
  GROUP_SENDER_ID: 7,
  CRED_FMT: 8,
  GP_ENC_ALG: 9,
  SIGN_ALG: 10,
  SIGN_PARAMS: 11,
  ECDH_ALG: 12,
  ECDH_PARAMS: 13,
} as const

/** Configuration and status parameters of the admin interface. */
export const Admin = {
  HKDF: -1,
  CRED_FMT: -2,
  GROUP_MODE: -3,
  GP_ENC_ALG: -4,
  SIGN_ALG: -5,
  SIGN_PARAMS: -6,
  PAIRWISE_MODE: -7,
  ALG: -8,
  ECDH_ALG: -9,
  ECDH_PARAMS: -10,
  RT: -11,
  ACTIVE: -12,
  GROUP_NAME: -13,
  GROUP_DESCRIPTION: -14,
  MAX_STALE_SETS: -15,
  GID_REUSE: -16,
  APP_GROUPS: -17,
  JOINING_URI: -18,
  AS_URI: -19,
  DET_REQ: -25,
  DET_HASH_ALG: -26,
  CONF_FILTER: -27,
  APP_GROUPS_DIFF: -28,
} as const

/** OAuth parameters in application/ace+cbor (RFC 9200 §8.10, RFC 9203 §9, key-groupcomm-oscore-21 §17.2). */
export const AceParam = {
  ACCESS_TOKEN: 1,
  EXPIRES_IN: 2,
  REQ_CNF: 4,
  AUDIENCE: 5,
  CNF: 8,
  SCOPE: 9,
  ERROR: 30,
  GRANT_TYPE: 33,
  ACE_PROFILE: 38,
  NONCE1: 40,
  NONCE2: 42,
  CLIENT_RECIPIENT_ID: 43,
  SERVER_RECIPIENT_ID: 44,
  SIGN_INFO: 45,
  KDC_CHALLENGE: 46,
  ECDH_INFO: 47,
  KDC_DH_CREDS: 48,
} as const

/** ace_profile: coap_oscore. */
export const PROFILE_COAP_OSCORE = 2
/** grant_type: client_credentials. */
export const GRANT_CLIENT_CREDENTIALS = 2
/** Error codes of the token endpoint (RFC 9200 §5.8.3, table 3). */
export const TokenError = { INVALID_REQUEST: 1, UNSUPPORTED_GRANT_TYPE: 5, INVALID_SCOPE: 6 } as const
/** AS Request Creation Hints (RFC 9200 §5.3). */
export const Hint = { AS: 1, AUDIENCE: 5, SCOPE: 9 } as const
/** CWT claims (RFC 8392 §4, RFC 8747 §3, RFC 9200 §5.10). */
export const Claim = { SUB: 2, AUD: 3, EXP: 4, IAT: 6, CTI: 7, CNF: 8, SCOPE: 9 } as const
/** Confirmation methods (RFC 8747 §3.1, RFC 9203 §9.6). */
export const Cnf = { KID: 3, OSC: 4 } as const

/** ACE Groupcomm Errors (RFC 9594 §9, key-groupcomm-oscore-21 §13, gm-admin-17 §8). */
export const ErrorId = {
  MEMBERS_ONLY: 0,
  ROLES: 1,
  CREDENTIAL: 2,
  POP: 3,
  NO_SENDER_ID: 4,
  TERMINATED: 5,
  DELETED: 6,
  NO_SIGNATURES: 7,
  VERIFIERS_ONLY: 8,
  INACTIVE: 9,
  ACTIVE: 10,
  NO_NAME: 11,
  UNSUPPORTED: 12,
} as const
export type ErrorId = (typeof ErrorId)[keyof typeof ErrorId]

export const ERROR_TITLES: Readonly<Record<ErrorId, string>> = {
  0: 'Operation permitted only to group members',
  1: 'Request inconsistent with the current roles',
  2: 'Authentication credential incompatible with the group configuration',
  3: 'Invalid proof-of-possession evidence',
  4: 'No available individual keying material',
  5: 'Group membership terminated',
  6: 'Group deleted',
  7: 'Signatures not used in the group',
  8: 'Operation permitted only to signature verifiers',
  9: 'Group currently not active',
  10: 'Group currently active',
  11: 'Unable to determine a group name',
  12: 'Unsupported group configuration',
}
/** Key of the Custom Problem Detail entry ace-groupcomm-error, and of its field error-id (RFC 9594 §4.1.2). */
export const PROBLEM_ENTRY = 0
export const PROBLEM_ERROR_ID = 0
