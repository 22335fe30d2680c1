/** The demo's service "web": asks "orders", over mutual TLS, and prints what came back. */
import { createHash } from 'node:crypto'
import { request } from 'node:https'
import { tlsOptions } from '@taw/marble'

const { client } = tlsOptions(process.env, { serverTypes: ['orders'] })

request({ host: 'localhost', port: Number(process.env['ORDERS_PORT']), ...client }, (response) => {
  let text = ''
  response.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  response.on('end', () => {
    const own = createHash('sha256')
      .update(process.env['SESSION_KEY'] ?? '')
      .digest('hex')
    console.log(JSON.stringify({ answer: JSON.parse(text) as unknown, ownSessionKey: own.slice(0, 12) }))
  })
}).end()
