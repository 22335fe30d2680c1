/**
 * Bounds of what a scrape costs. Marble types and UUIDs come from whoever calls the mesh API, so no more than so many
 * of them become labels; docs/metrics.md tells users of the numbers.
 */
export const metricsLimits = {
  /** Instances with a series of their own: the first that activated since the start. */
  instances: 64,
  /** The same for callers who never activated: the first whose attempts failed. */
  failedInstances: 16,
  /** Marble types with a series of their own for all other instances. */
  types: 64,
  /** Characters of a marble type or UUID that is shown. */
  labelLength: 100,
  /** Activations that `/events` remembers. */
  events: 256,
  /** Bytes of their quotes together; one quote can have 4 MiB, the bound of a message of the mesh API. */
  eventQuoteBytes: 4 * 1024 * 1024,
  /** Bytes of the header fields of a request. */
  headerBytes: 8 * 1024,
  /** Connections at the same time. */
  connections: 64,
} as const
