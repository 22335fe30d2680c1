import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, readConfig } from './config.ts'
import { refuseHostInfluence } from './process-hardening.ts'

const dangerous = [
  ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_COMPILE_CACHE', 'NODE_REPL_EXTERNAL_MODULE', 'NODE_ICU_DATA'],
  ...['OPENSSL_CONF', 'OPENSSL_MODULES', 'OPENSSL_ENGINES', 'LD_PRELOAD', 'LD_AUDIT'],
  ...['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE', 'SSLKEYLOGFILE'],
  ...['NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY'],
]

test('each variable that reaches into the process is refused, and named', () => {
  for (const name of dangerous) {
    assert.throws(
      () => {
        refuseHostInfluence({ [name]: '1' })
      },
      (error) => error instanceof ConfigError && error.message.startsWith(`${name} is set, which `),
      name,
    )
    refuseHostInfluence({ [name]: '' })
  }
})

test('what images and runtimes usually set is no reason to refuse', () => {
  refuseHostInfluence({
    ...{ PATH: '/bin', HOME: '/', NODE_ENV: 'production', NODE_VERSION: '24.0.0', SSL_CERT_FILE: '/x' },
    ...{ LD_LIBRARY_PATH: '/lib', UV_THREADPOOL_SIZE: '8', TZ: 'UTC' },
  })
})

test('outside of simulation the TPM must be a device of this machine', () => {
  const elsewhere = ['swtpm:host=192.0.2.1', 'mssim:host=x', 'cmd:sh', 'device:/tmp/tpm', 'device:/dev/../x']
  for (const TAW_TPM_TCTI of [...elsewhere, 'tabrmd:bus_type=session', '/dev/tpm0']) {
    assert.throws(() => readConfig({ TAW_TPM_TCTI }, '/'), ConfigError)
    assert.equal(readConfig({ OE_SIMULATION: '1', TAW_TPM_TCTI }, '/').tpmTcti, TAW_TPM_TCTI)
  }
  for (const TAW_TPM_TCTI of ['device:/dev/tpm0', 'device:/dev/tpmrm0', 'tabrmd']) {
    assert.equal(readConfig({ TAW_TPM_TCTI }, '/').tpmTcti, TAW_TPM_TCTI)
  }
})
