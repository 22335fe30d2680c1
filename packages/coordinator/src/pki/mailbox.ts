/**
 * What Go's `crypto/x509` takes for an e-mail address (RFC 2821, 4.1.2, with the habits that RFC 3696 tells of).
 */
import { domainProblem } from './uri.ts'

/** `"` … `"` with quoted pairs; a blank is allowed though the grammar has it not. NUL is checked apart. */
const quotedLocalPart = /^"(?:\\[^\r\n]|[^\t\r\n"\\])*"/

/** Atoms and dots; any character may stand behind a backslash. */
const plainLocalPart = /^(?:\\[^]|[0-9A-Za-z!#$%&'*+\-/=?^_`{|}~.])+/

/** True for an address, in ASCII, that can stand in nameConstraints as a single mailbox. */
export function isMailboxConstraint(text: string): boolean {
  if (text.includes('\0')) return false
  const localPart = (text.startsWith('"') ? quotedLocalPart : plainLocalPart).exec(text)?.[0]
  if (localPart === undefined || text[localPart.length] !== '@') return false
  const unescaped = localPart.replaceAll('\\', '')
  const hasStrayDot = unescaped.startsWith('.') || unescaped.endsWith('.') || unescaped.includes('..')
  if (!localPart.startsWith('"') && hasStrayDot) return false
  return domainProblem(text.slice(localPart.length + 1)) === undefined
}
