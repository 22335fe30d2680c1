import http2, { type ClientHttp2Session } from 'node:http2'
import { once } from 'node:events'

/** No complete answer came: the process was killed, or it ended. */
export class Lost extends Error {
  override readonly name = 'Lost'
}

export interface ClientAnswer {
  readonly status: number
  /** The member `data`. */
  readonly data: unknown
  readonly message: string
}

/** One kept connection to the client API. */
export class ClientConnection implements Disposable {
  readonly #session: ClientHttp2Session

  private constructor(session: ClientHttp2Session) {
    this.#session = session
  }

  /** @throws {@link Lost} */
  static async open(
    port: number,
    identity: { readonly cert: string; readonly key: string } | undefined,
  ): Promise<ClientConnection> {
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...identity })
    session.on('error', () => undefined)
    const gone = Promise.withResolvers<never>()
    session.once('close', () => {
      gone.reject(new Lost('the connection was not made'))
    })
    await Promise.race([once(session, 'connect'), gone.promise]).catch(() => {
      throw new Lost('the connection was not made')
    })
    gone.promise.catch(() => undefined)
    return new ClientConnection(session)
  }

  /** @throws {@link Lost} */
  async request(method: 'GET' | 'POST', target: string, body?: unknown): Promise<ClientAnswer> {
    const { status, text } = await this.#exchange(
      method,
      target,
      body === undefined ? '' : JSON.stringify(body),
    )
    const { data, message } = JSON.parse(text) as { readonly data: unknown; readonly message?: string }
    return { status, data, message: message ?? '' }
  }

  [Symbol.dispose](): void {
    this.#session.destroy()
  }

  #exchange(method: string, target: string, body: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      if (this.#session.destroyed || this.#session.closed) {
        reject(new Lost('the connection is closed'))
        return
      }
      const stream = this.#session.request({ ':method': method, ':path': target }, { endStream: body === '' })
      let status = 0
      let length: number | undefined
      const chunks: Buffer[] = []
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0
        length = Number(headers['content-length'])
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', () => undefined)
      stream.on('close', () => {
        const bytes = Buffer.concat(chunks)
        if (bytes.length === length) resolve({ status, text: bytes.toString() })
        else reject(new Lost(`${method} ${target}: no complete answer came`))
      })
      if (body !== '') stream.end(body)
    })
  }
}

/** The manifest as requests carry it. */
export const manifestBody = (raw: Uint8Array): { manifest: string } => ({
  manifest: Buffer.from(raw).toString('base64'),
})
