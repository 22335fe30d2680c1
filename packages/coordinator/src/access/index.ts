export { manifestUpdaters, mayUpdateManifest, missingPermissions, permits } from './permissions.ts'
export { findUser, type User } from './users.ts'
