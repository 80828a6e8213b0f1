// The only place that knows how Redis is laid out. Producers and workers use what is exported here, nothing below.

export { NO_HASH, recordHash as auditHash } from '../audit/hashes.ts';
export type { CancelRequest } from './accepting.ts';
export type * from './answers.ts';
export { AuditChain, AuditChainError, type AuditEvent, canonicalBytes } from './audit-chain.ts';
export type { AppendAnswer, StoredRecord } from './audit-log.ts';
export { BLOB_TTL_MS, BlobCorruptError } from './blobs.ts';
export { addReleased, openBullQueue } from './bullmq.ts';
export {
  DEAD_REASONS,
  type DeadLetter,
  type DeadLetters,
  type DeadReason,
  type LetterGone,
  type RetryAnswer,
} from './dead.ts';
export { SWEEP_LIMITS, type SweepLimits } from './fleet.ts';
export { BULL_QUEUE_NAME, bullPrefix, type Keys, keysOf } from './keys.ts';
export { Protocol } from './protocol.ts';
export { isTlsUrl, type RedisAddress, type TlsMaterial, tlsOptions, withPassword } from './redis-address.ts';
export { PEM_MAX_BYTES, readSecretFile, readSecretLine, type SecretFile, SecretFileError } from './secret-file.ts';
export { isSignedBy, parseSigningKeys, type SigningKeys, signJob } from './signing.ts';
export {
  ALL_TENANTS,
  EVERY_TENANT,
  type LimitAnswer,
  type LimitSource,
  type LimitWords,
  TENANT_LIMITS,
  type TenantLimit,
  type TenantStanding,
} from './tenants.ts';
export { isUid, newUid } from './uid.ts';
export { Waiter, WaiterClosedError, type WaiterTimes } from './waiter.ts';
