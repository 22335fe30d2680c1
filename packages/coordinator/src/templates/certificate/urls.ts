import { bytesTo, type ByteString } from '../bytes.ts'
import {
  boolType,
  boolValue,
  bytesValue,
  noMethods,
  pointerValue,
  sliceOf,
  stringType,
  stringValue,
  structValue,
  zeroValue,
  type GoMethod,
  type GoValue,
  type PointerType,
  type PointerValue,
  type StructType,
  type StructValue,
} from '../values.ts'
import { getter } from './methods.ts'

// Go's *url.URL, for the URIs among a certificate's alternative names.

const userStruct: StructType = {
  kind: 'struct',
  name: 'url.Userinfo',
  methods: noMethods,
  fields: [{ name: 'written', type: stringType }],
}
const userText = (value: GoValue): ByteString => {
  const written =
    value.kind === 'pointer' && value.target?.kind === 'struct' ? value.target.field(0) : undefined
  return written?.kind === 'string' ? written.value : ''
}
const userType: PointerType = {
  kind: 'pointer',
  name: '*url.Userinfo',
  element: userStruct,
  methods: new Map([
    ['String', getter((value) => stringValue(userText(value)))],
    ['Username', getter((value) => stringValue(unescaped(userText(value).replace(/:.*$/s, ''))))],
  ]),
}

const methods = new Map<string, GoMethod>()
const structType: StructType = {
  kind: 'struct',
  name: 'url.URL',
  methods: noMethods,
  fields: [
    { name: 'Scheme', type: stringType },
    { name: 'Opaque', type: stringType },
    { name: 'User', type: userType },
    { name: 'Host', type: stringType },
    { name: 'Path', type: stringType },
    { name: 'Fragment', type: stringType },
    { name: 'RawQuery', type: stringType },
    { name: 'RawPath', type: stringType },
    { name: 'RawFragment', type: stringType },
    { name: 'ForceQuery', type: boolType },
    { name: 'OmitHost', type: boolType },
  ],
}
const urlType: PointerType = { kind: 'pointer', name: '*url.URL', element: structType, methods }
export const urlsType = sliceOf(urlType)

interface UrlParts {
  readonly scheme: ByteString
  /** What follows the scheme where no slash does, as in `mailto:`. */
  readonly opaque: ByteString
  readonly host: ByteString
  /** As written, with its percent signs. */
  readonly path: ByteString
  readonly query: ByteString
  readonly written: ByteString
}

const partsOf = new WeakMap<StructValue, UrlParts>()

// RFC 3986, appendix B, with the user and its password apart from the host.
const pattern =
  /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/(?:([^/?#@]*)@)?([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/

const unescaped = (text: ByteString): ByteString =>
  text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)))

export function urlValue(text: ByteString): PointerValue {
  const [, scheme = '', user, host = '', path = '', query = '', fragment = ''] = pattern.exec(text) ?? []
  const isOpaque = scheme !== '' && host === '' && path !== '' && !path.startsWith('/')
  const lower = scheme.toLowerCase()
  const decoded = unescaped(path)
  const value = structValue(structType, [
    stringValue(lower),
    stringValue(isOpaque ? path : ''),
    user === undefined
      ? zeroValue(userType)
      : pointerValue(userType, structValue(userStruct, [stringValue(user)])),
    stringValue(unescaped(host)),
    stringValue(isOpaque ? '' : decoded),
    stringValue(unescaped(fragment)),
    stringValue(query),
  ])
  partsOf.set(value, {
    scheme: lower,
    opaque: isOpaque ? path : '',
    host,
    path: isOpaque ? '' : path,
    query,
    written: lower + text.slice(scheme.length),
  })
  return pointerValue(urlType, value)
}

const nothing: UrlParts = { scheme: '', opaque: '', host: '', path: '', query: '', written: '' }

function behind(value: GoValue): UrlParts {
  const target = value.kind === 'pointer' ? value.target : undefined
  return target?.kind === 'struct' ? (partsOf.get(target) ?? nothing) : nothing
}

const text = (get: (url: UrlParts) => ByteString): GoMethod =>
  getter((value) => stringValue(get(behind(value))))

/** A host without its port and the brackets of an IPv6 address. */
const hostname = ({ host }: UrlParts): ByteString => host.replace(/:\d*$/, '').replace(/^\[([^]*)\]$/, '$1')

methods.set(
  'String',
  text((url) => url.written),
)
methods.set(
  'Redacted',
  text((url) => url.written.replace(/^([^/?#]*\/\/[^:/?#@]*):[^/?#@]*@/, '$1:xxxxx@')),
)
methods.set('Hostname', text(hostname))
methods.set(
  'Port',
  text(({ host }) => /:(\d+)$/.exec(host)?.[1] ?? ''),
)
methods.set(
  'EscapedPath',
  text((url) => url.path),
)
methods.set(
  'RequestURI',
  text(
    (url) => (url.opaque === '' ? url.path || '/' : url.opaque) + (url.query === '' ? '' : `?${url.query}`),
  ),
)
methods.set(
  'IsAbs',
  getter((value) => boolValue(behind(value).scheme !== '')),
)
methods.set(
  'MarshalBinary',
  getter((value) => bytesValue(bytesTo(behind(value).written))),
)
