// Printing by a headless Chromium, and the search for one.
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { canPrintPdf, findChromium, findInstalledChromium, printPdf } from '#main/hosts/index.ts'

const found = await findChromium()
const withChromium = test.skipIf(found === undefined && process.env.CI === undefined)

withChromium('prints HTML to PDF without running its scripts or asking the network for anything', async () => {
  let asked = 0
  const server = createServer((_request, response) => {
    asked += 1
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const outside = `http://127.0.0.1:${port}`
  const html = `<!doctype html><link rel="stylesheet" href="${outside}/a.css"><img src="${outside}/b.png"><h1>Report</h1>
    <script>document.body.append(new Image().src = '${outside}/c.png')</script><iframe src="${outside}/d"></iframe>`
  const pdf = await printPdf(html)
  server.close()
  expect(new TextDecoder().decode(pdf.slice(0, 5))).toBe('%PDF-')
  expect(asked).toBe(0)
  expect(canPrintPdf()).toBe(true)
})

test('without a Chromium it says so with the code that the help text is keyed by', async () => {
  await expect(printPdf('', () => Promise.resolve(undefined))).rejects.toMatchObject({ code: 'export.pdf-unavailable' })
})

test('a Chromium that cannot start is a failure that may be tried again', async () => {
  const broken = printPdf('', () => Promise.resolve({ executablePath: '/bin/false', args: [] }))
  await expect(broken).rejects.toMatchObject({ code: 'export.pdf-unavailable', retryable: true })
})

test.each([
  ['linux', { PATH: '/usr/bin:/opt/x' }, '/opt/x/google-chrome'],
  ['linux', { PATH: '/usr/bin', GROUPWRIGHT_CHROMIUM: '/my/chromium' }, '/my/chromium'],
  ['darwin', { HOME: '/Users/u' }, '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
  ['darwin', { HOME: '/Users/u' }, '/Users/u/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge'],
  ['win32', { PROGRAMFILES: 'C:\\P', 'PROGRAMFILES(X86)': 'C:\\Q' }, 'C:\\Q\\Microsoft\\Edge\\Application\\msedge.exe'],
] as const)('finds an installed one on %s', (platform, environment, path) => {
  expect(findInstalledChromium({ platform, environment, isExecutable: (candidate) => candidate === path })?.executablePath).toBe(path)
  expect(findInstalledChromium({ platform, environment, isExecutable: () => false })).toBeUndefined()
})
