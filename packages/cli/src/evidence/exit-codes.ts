/** Exit codes of the evidence commands besides 0: scripts tell "not genuine" from "could not be looked at". */
export const INVALID = 1
/** Wrong usage, or a file that can't be read. */
export const UNUSABLE = 2
