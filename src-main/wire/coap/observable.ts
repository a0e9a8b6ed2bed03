// The subject of an observation (RFC 7641 §1.2): a resource refers to it, and whoever changes the resource tells it.
import type { IncomingRequest, ObservableListener, ObservableSource, ResponseCode } from './types.ts'

export class Observable implements ObservableSource {
  readonly onlyDifferences: boolean
  readonly #listeners = new Set<ObservableListener>()

  /** `onlyDifferences`: for a resource whose every request selects something else, so that a change concerns few of its observers. */
  constructor(options: { readonly onlyDifferences?: boolean } = {}) {
    this.onlyDifferences = options.onlyDifferences ?? false
  }

  /**
   * The resource has changed: its observers get the new state, or those alone whose request the filter picks. It is given the very
   * object that the handler got when they registered.
   */
  notify(concerns?: (request: IncomingRequest) => boolean): void {
    for (const listener of [...this.#listeners]) listener.changed(concerns)
  }

  /** The resource is gone: its observers are told so, and are observers no longer (§4.2). */
  end(code: ResponseCode = '4.04'): void {
    for (const listener of [...this.#listeners]) listener.ended(code)
  }

  subscribe(listener: ObservableListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
