// What the core asks of its host, and what it gives to it.
import type { Clock, Logger, Random } from '#main/base/index.ts'
import type { ProxyRule } from '#main/services/proxy/index.ts'
import type { SessionRow } from '#contract/model.ts'

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
  /** Binds the CoAP endpoint of a site elsewhere than the site says (command line). */
  readonly network?: { readonly bindAddress?: string; readonly coapPort?: number }
}
