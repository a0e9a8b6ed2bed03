// A progress bar on a terminal; plain lines where the output is not one.

export interface ProgressBar {
  update(done: number, total: number, note?: string): void
  finish(text: string): void
}

const WIDTH = 28

export function progressBar(label: string, stream: NodeJS.WriteStream = process.stderr): ProgressBar {
  const interactive = stream.isTTY
  let last = ''
  return {
    update(done, total, note = '') {
      if (!interactive) return
      const filled = total === 0 ? WIDTH : Math.round((done / total) * WIDTH)
      const text = `${label.padEnd(14)} ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${done}/${total} ${note}`
      if (text === last) return
      last = text
      stream.write(`\r${text}\u001b[K`)
    },
    finish(text) {
      stream.write(interactive ? `\r\u001b[K${label.padEnd(14)} ${text}\n` : `${label.padEnd(14)} ${text}\n`)
    },
  }
}
