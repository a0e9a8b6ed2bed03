// What the core asks of its host, and what it gives to it.
import type { Clock, Logger, Random } from '#main/base/index.ts'
import type { MasaClient } from '#main/services/join/index.ts'
import type { ProxyRule } from '#main/services/proxy/index.ts'
import type { SessionRow } from '#contract/model.ts'
import type { DnsSd } from './dns-sd.ts'
import type { NetworkInterface } from './interfaces.ts'
import type { SystemKeyStore } from './keyring.ts'
import type { SerialOptions } from './serial-desk.ts'

/** What only the host can do. */
export interface HostServices {
  /** Asks the person for a site file; undefined when cancelled or when the host has no dialogs. */
  chooseSiteFile(): Promise<string | undefined>
  /** Shows a file in the system's file manager; or gives an address to download it from. */
  reveal(path: string, handle: string): Promise<{ readonly url: string | null }>
  /** Prints HTML to PDF; throws `export.pdf-unavailable` where nothing can. */
  printPdf(html: string): Promise<Uint8Array>
  canPrintPdf(): boolean
}

export interface CoreOptions {
  readonly host: SessionRow['host']
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Holds preferences and the list of recent sites. */
  readonly dataDirectory: string
  /** New sites are created here. */
  readonly sitesDirectory: string
  /** Folders with device profiles (YAML); later ones override earlier ones by profile id. */
  readonly profileDirectories: readonly string[]
  readonly services: HostServices
  /** Who may have requests forwarded to the site's devices and groups; nobody by default. */
  readonly proxyRules?: readonly ProxyRule[]
  /** Whether jobs that a crash or an end interrupted go on when the site is opened; yes by default. */
  readonly resumeJobs?: boolean
  /** Folder for exported files; beside the site file by default. */
  readonly exportsDirectory?: string
  /** How a demo site is made: its radio, its dongle, and whether that one sits at a pseudo terminal. */
  readonly demo?: {
    readonly radio?: 'real' | 'ideal'
    readonly dongle?: 'spinel' | 'slip'
    readonly pty?: boolean
    /** Whether its devices join as pledges behind join proxies, the default, or ask for certificates by CMP from their own addresses. */
    readonly joining?: 'proxy' | 'direct'
  }
  /** Binds the CoAP endpoint of a site elsewhere than the site says (command line). */
  readonly network?: { readonly bindAddress?: string; readonly coapPort?: number; readonly coapsPort?: number }
  /** The machine's addresses; the system's own by default. */
  readonly interfaces?: () => readonly NetworkInterface[]
  /** Whether the directory is advertised where its site says so; yes by default. */
  readonly advertise?: boolean
  /** Who announces services on the link; multicast DNS by default. */
  readonly dnsSd?: DnsSd
  /** Servers of makers, asked for vouchers; by HTTPS by default. */
  readonly masa?: MasaClient
  /** The serial ports; the system's by default. */
  readonly serial?: SerialOptions
  /** How the keyring is kept that seals the keys in site files: by the system's key store, under a passphrase, else by file permissions. */
  readonly keyring?: { readonly passphrase?: string | undefined; readonly system?: SystemKeyStore | undefined }
}
