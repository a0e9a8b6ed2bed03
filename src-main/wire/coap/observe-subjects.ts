// The observed resources of an endpoint, each listened to while it has observers (RFC 7641 §1.2).
import type { Observer, Subject } from './observer.ts'
import type { ObservableSource, ResponseCode } from './types.ts'

export interface SubjectEvents {
  /** The state that the observer follows has changed, as far as is known. */
  changed(observer: Observer): void
  ended(observer: Observer, code: ResponseCode): void
}

export class ObserveSubjects {
  readonly #events: SubjectEvents
  readonly #subjects = new Map<ObservableSource, Subject>()

  constructor(events: SubjectEvents) {
    this.#events = events
  }

  join(observer: Observer, source: ObservableSource): void {
    let subject = this.#subjects.get(source)
    if (subject === undefined) {
      subject = this.#listen(source)
      this.#subjects.set(source, subject)
    }
    observer.subject = subject
    subject.observers.add(observer)
  }

  leave(observer: Observer): void {
    const { subject } = observer
    if (subject === undefined) return
    observer.subject = undefined
    subject.observers.delete(observer)
    if (subject.observers.size > 0) return
    subject.unsubscribe()
    this.#subjects.delete(subject.source)
  }

  #listen(source: ObservableSource): Subject {
    const observers = new Set<Observer>()
    const unsubscribe = source.subscribe({
      changed: (concerns) => {
        for (const observer of [...observers]) if (concerns === undefined || concerns(observer.request)) this.#events.changed(observer)
      },
      ended: (code) => {
        for (const observer of [...observers]) this.#events.ended(observer, code)
      },
    })
    return { source, observers, unsubscribe }
  }
}
