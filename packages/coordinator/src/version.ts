import packageInfo from '../package.json' with { type: 'json' }

/** Put in by the build (`TAW_COMMIT`); the sources as they stand know no commit. */
declare const TAW_COMMIT: string | undefined

export const version = packageInfo.version
export const commit = typeof TAW_COMMIT === 'string' ? TAW_COMMIT : 'unknown'
