/** Fetches, keeps and bundles collateral. Filled by the next commits. */
export {}
