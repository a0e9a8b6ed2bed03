// Chromium outside Electron cannot be given schemes of one's own: `app://host/path` is shown to it as `https://host.app.test/path`.
export function toBrowserUrl(url: string): string {
  return url.replace(/^app:\/\/([^/]+)/, 'https://$1.app.test')
}

export function toElectronUrl(url: string): string {
  return url.replace(/https:\/\/([^/.]+)\.app\.test/, 'app://$1')
}
