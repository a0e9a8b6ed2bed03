// dialog and shell: what is shown waits for the test's answer.
interface MessageBox {
  readonly message: string
  readonly detail?: string
  readonly buttons?: readonly string[]
  readonly cancelId?: number
  readonly signal?: AbortSignal
}

interface Pending {
  readonly kind: 'message' | 'open'
  readonly text: string
  readonly buttons: readonly string[]
  readonly answer: (value: unknown) => void
}

/** Dialogs on the screen now. */
export const dialogs: Pending[] = []
/** What was shown without an answer to wait for. */
export const shown: string[] = []

function ask(pending: Omit<Pending, 'answer'>, signal?: AbortSignal, whenAborted?: unknown): Promise<unknown> {
  return new Promise((resolve) => {
    const entry: Pending = {
      ...pending,
      answer: (value) => {
        const index = dialogs.indexOf(entry)
        if (index >= 0) dialogs.splice(index, 1)
        resolve(value)
      },
    }
    dialogs.push(entry)
    signal?.addEventListener('abort', () => entry.answer(whenAborted), { once: true })
  })
}

export const dialog = {
  async showMessageBox(...args: readonly unknown[]): Promise<unknown> {
    const { message, buttons = [], signal, cancelId = 0 } = args.at(-1) as MessageBox
    return { response: await ask({ kind: 'message', text: message, buttons }, signal, cancelId) }
  },
  async showOpenDialog(...args: readonly unknown[]): Promise<unknown> {
    const { title } = args.at(-1) as { readonly title: string }
    const path = await ask({ kind: 'open', text: title, buttons: [] })
    return { canceled: path === null, filePaths: path === null ? [] : [path] }
  },
  showErrorBox(title: string, content: string): void {
    shown.push(`${title}: ${content}`)
  },
}

export const shell = {
  showItemInFolder(path: string): void {
    shown.push(`reveal ${path}`)
  },
}
