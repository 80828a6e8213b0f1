#!lua flags=allow-oom
-- Decides whether a delivered job may run, and counts the execution.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY job:UID           hash: the job
-- KEY worker:INSTANCE   hash: the owner's offer, for its bootId
-- KEY due               zset: waiting jobs
-- KEY arrived           zset: the same, by when they were accepted
-- KEY inflight          zset: released and begun jobs
-- KEY running:TENANT    set: the same, of one tenant
-- (and those of the parts)
-- ARGV 1 uid, 2 instance, 3 token of this delivery, 4 expected epoch, 5 log, 6 number of records, then the records
--
-- {'run', epoch, tenant, id, attempts, queuedUs, acceptedAtUs, sha256, chunks, document, trace, signature} | {'final', outcome}
-- | {'cancelled', epoch, tenant, id, by} | {'expired', epoch, tenant, id} | {'lost', epoch, tenant, id}
-- | {'poison', epoch, tenant, id}
-- | {'moved', epoch} | {'gone'}, each followed by the verdict that the records have beside them | {'gap', seq, sha256}
local P = KEYS[1]
--- include clock
--- include audit
--- include poison
--- include queued
local uid, instance, token, expected = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local job_key = P .. 'job:' .. uid

local function read_job()
  local f = redis.call('HMGET', job_key, 'state', 'epoch', 'attempts', 'owner', 'token', 'cancelBy', 'expiresAtMs',
    'tenant', 'id', 'outcome', 'acceptedAtUs', 'ended')
  return { state = f[1], epoch = tonumber(f[2] or '0'), attempts = tonumber(f[3] or '0'), owner = f[4], token = f[5],
    cancel_by = f[6], expires_at_ms = tonumber(f[7] or '0'), tenant = f[8], id = f[9], outcome = f[10],
    accepted_at_us = tonumber(f[11] or '0'), ended = tonumber(f[12] or '0') }
end

-- The verdict, and the epoch that a run has.
local function judge(job)
  if not job.state then return 'gone' end
  if job.state == 'final' then return 'final' end
  if job.cancel_by then return 'cancelled' end
  local epoch = job.epoch + 1
  if job.state == 'running' then
    -- The same delivery asks again: its reply was lost, nothing has run.
    if job.owner == instance and job.token == token then epoch = job.epoch
    elseif is_poison(job) then return 'poison'
    elseif job.epoch >= job.attempts then return 'lost' end
  elseif job.expires_at_ms <= now_ms then return 'expired' end
  if epoch ~= expected then return 'moved', epoch end
  return 'run', epoch
end

local function start(job, epoch)
  local boot_id = redis.call('HGET', P .. 'worker:' .. instance, 'bootId') or ''
  redis.call('HSET', job_key, 'state', 'running', 'epoch', epoch, 'owner', instance, 'ownerBootId', boot_id,
    'token', token, 'startedAtUs', now_us)
  redis.call('ZREM', P .. 'due', uid)
  redis.call('ZREM', P .. 'arrived', uid)
  dequeue(job.tenant, uid)
  redis.call('ZADD', P .. 'inflight', 'NX', now_ms, uid)
  redis.call('SADD', P .. 'running:' .. job.tenant, uid)
end

local function answer(job, verdict, epoch)
  if verdict == 'gone' then return { 'gone' } end
  if verdict == 'final' then return { 'final', job.outcome } end
  if verdict == 'moved' then return { 'moved', epoch } end
  if verdict ~= 'run' then return { verdict, job.epoch, job.tenant, job.id, job.cancel_by or '' } end
  local d = redis.call('HMGET', job_key, 'sha256', 'documentChunks', 'document', 'startedAtUs', 'trace', 'signature')
  return { 'run', epoch, job.tenant, job.id, job.attempts, tonumber(d[4]) - job.accepted_at_us, job.accepted_at_us,
    d[1], tonumber(d[2]), d[3], d[5] or '', d[6] or '' }
end

local records = read_records(5)
local gap = find_gap(records)
if gap then return gap end
local job = read_job()
local verdict, epoch = judge(job)
store_records(records, verdict)
if verdict == 'run' and epoch > job.epoch then start(job, epoch) end
return with_verdict(answer(job, verdict, epoch), records)
