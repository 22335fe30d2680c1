/** A TEE of our own, for tests. Filled by the next commits. */
export {}
