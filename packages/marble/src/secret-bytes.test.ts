import { testSecretBytes } from '../../../tests/support/secret-bytes.ts'
import { SecretBytes } from './secret-bytes.ts'

testSecretBytes(SecretBytes)
