// What the browser host does for the core: downloads instead of a file manager, a headless Chromium instead of a printing window.
import type { HostServices } from '#main/core.ts'
import { canPrintPdf, printPdf } from '#main/hosts/index.ts'

export function browserServices(): HostServices {
  return {
    // A page has no path to give: sites are opened from the list of recent ones and from the sites folder.
    chooseSiteFile: () => Promise.resolve(undefined),
    reveal: (_path, handle) => Promise.resolve({ url: `/download/${encodeURIComponent(handle)}` }),
    printPdf: (html) => printPdf(html),
    canPrintPdf,
  }
}
