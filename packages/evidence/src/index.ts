/** Gets evidence about this machine from its TEE. Filled by the next commits. */
export {}
