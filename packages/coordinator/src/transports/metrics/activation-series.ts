import { metricsLimits } from './limits.ts'

/** Stands for all types and UUIDs that have no series of their own. */
export const other = 'other'

export interface SeriesLabels {
  readonly type: string
  readonly uuid: string
}

/**
 * Decides under which labels an activation is counted, so that no caller can make the number of series grow.
 *
 * An instance (type and UUID) that has a series keeps it, and one that has none is counted under the UUID `other` of
 * its type, or under the type `other` when the manifest has no such type. So every series only grows, and none jumps:
 * an instance that moved into `other` would be counted twice by `rate()`.
 */
export class ActivationSeries {
  readonly #isKnownType: (type: string) => boolean
  readonly #activated = new Set<string>()
  readonly #failed = new Set<string>()
  readonly #types = new Set<string>()

  /** @param isKnownType whether the manifest in force has the type */
  constructor(isKnownType: (type: string) => boolean) {
    this.#isKnownType = isKnownType
  }

  labelsFor(type: string, uuid: string, activated: boolean): SeriesLabels {
    return this.#hasOwn(type, uuid, activated) ? { type, uuid } : { type: this.#typeLabel(type), uuid: other }
  }

  #hasOwn(type: string, uuid: string, activated: boolean): boolean {
    if (!isShowable(type) || !isShowable(uuid)) return false
    const instance = JSON.stringify([type, uuid])
    if (this.#activated.has(instance) || this.#failed.has(instance)) return true
    const [instances, most] = activated
      ? [this.#activated, metricsLimits.instances]
      : [this.#failed, metricsLimits.failedInstances]
    return admit(instances, instance, most)
  }

  #typeLabel(type: string): string {
    if (!isShowable(type) || !this.#isKnownType(type)) return other
    return this.#types.has(type) || admit(this.#types, type, metricsLimits.types) ? type : other
  }
}

/** The library tells series apart by their labels joined with commas, so one with a comma could be taken for another. */
const isShowable = (label: string): boolean =>
  label.length <= metricsLimits.labelLength && !label.includes(',') && label.isWellFormed()

function admit(set: Set<string>, member: string, most: number): boolean {
  if (set.size >= most) return false
  set.add(member)
  return true
}
