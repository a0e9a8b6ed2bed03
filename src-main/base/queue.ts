// Bounded queues.
export {}
