#!lua flags=allow-oom
-- Finds what a crash between two round trips left behind. Safe at any time, in any worker: it only reports, and releases.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY due                zset: waiting jobs by when they end unbegun
-- KEY arrived            zset: the same, by when they were accepted; looked over for what an older worker left in it
-- KEY inflight           zset: released and begun jobs by when a sweep last looked
-- KEY held               set: tenants at their cap of running jobs, which may have been lifted
-- KEY running:TENANT     set: released and begun jobs of one tenant
-- KEY job:UID            hash: the job
-- KEY worker:INSTANCE    hash: the owner's offer, if it lives
-- KEY bull:jobs:UID      BullMQ's hash of a job that it holds. Only asked whether it exists; were it named otherwise, an add that
--                        BullMQ ignores would follow, or the end of a job whose worker is dead for longer than its lock
-- (and those of the parts)
-- ARGV 1 most jobs to look at, 2 leave alone what was looked at in the last so many ms, 3 look again after so many ms
--
-- {'swept', {released or forgotten by BullMQ}, {{uid, tenant, id, epoch, why, by, sha256, acceptedAtUs}, ...}}
local P = KEYS[1]
--- include clock
--- include limits
--- include queued
--- include memory
--- include release
--- include poison
--- include expiry
local limit, settle_ms, again_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local adds, endings = {}, {}
local ARRIVED_BATCH = 10

local function read_job(uid)
  local f = redis.call('HMGET', P .. 'job:' .. uid, 'state', 'epoch', 'attempts', 'owner', 'ownerBootId', 'cancelBy',
    'tenant', 'id', 'sha256', 'acceptedAtUs', 'ended')
  return { uid = uid, state = f[1], epoch = tonumber(f[2] or '0'), attempts = tonumber(f[3] or '0'), owner = f[4],
    boot_id = f[5], cancel_by = f[6] or '', tenant = f[7], id = f[8], sha256 = f[9], accepted_at_us = tonumber(f[10] or '0'),
    ended = tonumber(f[11] or '0') }
end

local function must_end(job, why)
  endings[#endings + 1] = { job.uid, job.tenant, job.id, job.epoch, why, job.cancel_by, job.sha256, job.accepted_at_us }
end

-- Moved on, so that not every worker commits the same ones at once; who dies before it does is followed by another.
local function look_at_due(uid)
  local job = read_job(uid)
  if job.state ~= 'waiting' then return redis.call('ZREM', P .. 'due', uid) end
  redis.call('ZADD', P .. 'due', now_ms + again_ms, uid)
  must_end(job, job.cancel_by ~= '' and 'cancelled' or 'expired')
end

local function look_at_arrived(uid)
  if not redis.call('ZSCORE', P .. 'due', uid) then redis.call('ZREM', P .. 'arrived', uid) end
end

local function is_held(uid)
  return redis.call('EXISTS', P .. 'bull:jobs:' .. uid) == 1
end

local function is_owner_gone(job)
  return redis.call('HGET', P .. 'worker:' .. job.owner, 'bootId') ~= job.boot_id
end

-- Held by BullMQ: it will deliver it. Begun by a worker that lives: that one ends it.
local function look_at_inflight(uid)
  local job = read_job(uid)
  if not job.state or job.state == 'final' then return redis.call('ZREM', P .. 'inflight', uid) end
  redis.call('ZADD', P .. 'inflight', now_ms - settle_ms + again_ms, uid)
  if is_held(uid) then return end
  if job.state == 'waiting' then
    adds[#adds + 1] = uid
  elseif is_owner_gone(job) then
    if job.cancel_by ~= '' then must_end(job, 'cancelled')
    elseif is_poison(job) then must_end(job, 'poison')
    elseif job.epoch >= job.attempts then must_end(job, 'lost')
    else adds[#adds + 1] = uid end
  end
end

-- Members that have no unfinished job any more would hold their tenant back for ever.
local function drop_orphans(tenant)
  for _, uid in ipairs(redis.call('SMEMBERS', P .. 'running:' .. tenant)) do
    local state = redis.call('HGET', P .. 'job:' .. uid, 'state')
    if not state or state == 'final' then redis.call('SREM', P .. 'running:' .. tenant, uid) end
  end
end

expire_due(limit)
look_at_memory()
for _, uid in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', now_ms, 'LIMIT', 0, limit)) do look_at_due(uid) end
for _, uid in ipairs(redis.call('ZRANGEBYSCORE', P .. 'inflight', '-inf', now_ms - settle_ms, 'LIMIT', 0, limit)) do
  look_at_inflight(uid)
end
for _, uid in ipairs(redis.call('ZRANGE', P .. 'arrived', 0, ARRIVED_BATCH - 1)) do look_at_arrived(uid) end
for _, tenant in ipairs(redis.call('SRANDMEMBER', P .. 'held', limit)) do
  drop_orphans(tenant)
  redis.call('SREM', P .. 'held', tenant)
  enlist(tenant)
end
for _, uid in ipairs(release()) do adds[#adds + 1] = uid end
return { 'swept', adds, endings }
