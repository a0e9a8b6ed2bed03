// What every command gets.
import type { Output } from './output.ts'

/** Options as commander reads them: the global ones and each command's own. */
export interface CommonOptions {
  readonly site?: string
  readonly json: boolean
  readonly bind?: string
  readonly coapPort?: number
  readonly coapsPort?: number
  readonly verbose: boolean
  readonly role?: string
  readonly pinFile?: string
  readonly person?: string
  readonly search?: string
  readonly demo?: number
  readonly loss?: number
  readonly radio?: 'real' | 'ideal'
  readonly dongle?: 'spinel' | 'slip'
  readonly joining?: 'proxy' | 'direct'
  readonly pty?: boolean
  readonly seed?: number
  readonly state?: string
  readonly dryRun?: boolean
  readonly seconds?: number
  readonly types?: readonly string[]
  readonly address?: string
  readonly port?: number
  readonly requests?: boolean
  readonly repeats?: number
  readonly format?: readonly string[]
  readonly out?: string
  readonly limit?: number
  readonly proxyFor?: readonly string[]
  readonly devices?: number
  readonly kind?: string
  readonly sort?: string
  readonly unsecured?: boolean
  readonly write?: boolean
  readonly programmingMode?: boolean
  readonly descending?: boolean
  readonly sector?: string
  readonly base?: string
  readonly lifetime?: number
  readonly attribute?: readonly string[]
  readonly links?: string
  readonly linksFile?: string
  readonly baud?: number
  readonly name?: string
  readonly channel?: number
  readonly panId?: string
  readonly meshPrefix?: string
  readonly dataset?: string
  readonly datasetFile?: string
  readonly passphrase?: string
  readonly wait?: number
  readonly showKeys?: boolean
  readonly suite?: string
  readonly yes?: boolean
  readonly subject?: string
  readonly algorithm?: string
  readonly days?: number
  readonly refresh?: boolean
  readonly all?: boolean
  readonly reason?: string
  readonly expiring?: number
  readonly file?: string
  readonly identity?: readonly string[]
  readonly maker?: string
  readonly names?: readonly string[]
  readonly profile?: string
  readonly draw?: boolean
  readonly secretFile?: string
  readonly secrets?: string
  readonly unlisted?: string
  readonly perDevice?: number
  readonly perRequester?: number
  readonly der?: boolean
  readonly p7c?: boolean
  readonly set?: string
  readonly url?: string
  readonly forProfile?: string
  readonly forHost?: string
  readonly mode?: string
  readonly vouch?: boolean
  readonly passSecrets?: boolean
  readonly chunked?: boolean
  readonly anchors?: string
  readonly reference?: string
  readonly nosec?: string
  readonly rekeyOnJoin?: string
  readonly afterLeaves?: number
  readonly withinMinutes?: number
  readonly lifetimeDays?: number
  readonly comment?: string
  readonly salt?: string
  readonly deviceId?: string
  readonly toolId?: string
  readonly minutes?: number
  readonly unknown?: string
  readonly unknownMakers?: boolean
  readonly replace?: boolean
  readonly keep?: string
  readonly servers?: boolean
  readonly ownDirectory?: boolean
  readonly tables?: boolean
  readonly directory?: readonly string[]
  readonly reads?: number
  readonly observations?: number
  readonly group?: string
  readonly device?: string
  readonly type?: string
  readonly label?: readonly string[]
  readonly content?: string
  readonly auth?: string
  readonly method?: string
  readonly user?: string
  readonly topic?: string
  readonly mqttVersion?: number
  readonly retain?: boolean
  readonly certificate?: string
  readonly namespace?: string
  readonly dittoSubject?: string
  readonly receiver?: string
  readonly redact?: boolean
  readonly root?: string
  readonly takeOver?: boolean
  readonly to?: number
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  readonly coapGroup?: string
  readonly sameAddress?: boolean
  readonly severity?: string
  readonly delimiter?: string
  readonly domain?: string
  readonly dns?: string
  readonly optionNumber?: number
  readonly template?: string
  readonly reach?: string
  readonly prefix?: string
  readonly list?: readonly string[]
  readonly installation?: string
  readonly range?: string
  readonly tls?: string
  readonly voucherAnchors?: string
  readonly showCertificate?: string
  readonly keyId?: string
  readonly advertised?: string
  readonly at?: readonly string[]
  readonly find?: readonly string[]
  readonly registrar?: string
  readonly jpyVersion?: string
}

export interface CommandContext {
  readonly options: CommonOptions
  readonly output: Output
}
