export * from './gen/marble_pb.ts'
export * from './refusal-codes.ts'
export { manifestSchema } from './manifest-schema.ts'
export type * from './update-plan.ts'
