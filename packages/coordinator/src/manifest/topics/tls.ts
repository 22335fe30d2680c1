import type { SecretDefinition, TlsIncoming, TlsOutgoing, TlsTag } from '../model.ts'
import { quoteName, type Path } from '../path.ts'
import type { Report } from '../report.ts'
import type { TlsEntrySource } from '../schema.ts'
import { entriesOf, mapEntries, type TopicContext } from './topic.ts'

/** Decodes `TLS`; tags that no marble uses are checked too. */
export function tlsTagsOf(
  { source, report }: TopicContext,
  secrets: ReadonlyMap<string, SecretDefinition>,
): ReadonlyMap<string, TlsTag> {
  return mapEntries(entriesOf('TLS', source.TLS, 'tlsTags', report), (tag, name) => ({
    incoming: (tag.Incoming ?? []).map((entry, index) =>
      incoming(entry, ['TLS', name, 'Incoming', index], secrets, report),
    ),
    outgoing: (tag.Outgoing ?? []).map((entry, index) =>
      outgoing(entry, ['TLS', name, 'Outgoing', index], report),
    ),
  }))
}

function incoming(
  entry: TlsEntrySource,
  path: Path,
  secrets: ReadonlyMap<string, SecretDefinition>,
  report: Report,
): TlsIncoming {
  checkPort(entry.Port ?? '', path, report)
  const cert = entry.Cert === '' ? undefined : entry.Cert
  const disableClientAuth = entry.DisableClientAuth ?? false
  if (cert === undefined) {
    if (disableClientAuth) {
      report.error(
        [...path, 'DisableClientAuth'],
        'needs "Cert": without a certificate of its own the port authenticates clients',
      )
    }
  } else {
    checkCertificate(cert, path, secrets, report)
    if (!disableClientAuth) {
      report.error(
        [...path, 'Cert'],
        'needs "DisableClientAuth": true, since clients of such a port have no marble certificate',
      )
    }
  }
  if (entry.Addr !== undefined) report.warn([...path, 'Addr'], 'has no effect on incoming connections')
  return { port: entry.Port ?? '', cert, disableClientAuth }
}

function checkCertificate(
  cert: string,
  path: Path,
  secrets: ReadonlyMap<string, SecretDefinition>,
  report: Report,
): void {
  const secret = secrets.get(cert)
  if (secret === undefined) {
    if (!report.isComplete('Secrets')) return
    report.error(
      [...path, 'Cert'],
      `no such secret ${quoteName(cert)} in "Secrets"${report.didYouMean(cert, secrets)}`,
    )
  } else if (!secret.type.startsWith('cert-') && !report.isDoubtful(['Secrets', cert])) {
    report.error(
      [...path, 'Cert'],
      `must name a certificate secret, but ${quoteName(cert)} is of type "${secret.type}"`,
    )
  }
}

function outgoing(entry: TlsEntrySource, path: Path, report: Report): TlsOutgoing {
  checkPort(entry.Port ?? '', path, report)
  if ((entry.Addr ?? '') === '') {
    report.error(
      [...path, 'Addr'],
      'an outgoing entry needs the host name or IP address that the marble connects to',
    )
  }
  for (const member of ['Cert', 'DisableClientAuth'] as const) {
    if (entry[member] !== undefined) report.warn([...path, member], 'has no effect on outgoing connections')
  }
  return { addr: entry.Addr ?? '', port: entry.Port ?? '' }
}

function checkPort(port: string, path: Path, report: Report): void {
  if (port === '')
    report.error([...path, 'Port'], 'an entry needs a port, as a string like "8443", but has none')
  else if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65535) {
    report.error(
      [...path, 'Port'],
      `must be a port from "1" to "65535" in plain digits, but is ${quoteName(port)}`,
    )
  }
}
