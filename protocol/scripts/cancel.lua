#!lua flags=allow-oom
-- Asks for the end of a job. A waiting one never begins; a running one is killed by its worker.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY id:TENANT:ID     string: uid
-- KEY job:UID          hash: the job
-- KEY due              zset: waiting jobs by when they end unbegun; cancelled: at once
-- CHANNEL cancel:INSTANCE   uid, to the worker that runs it
-- CHANNEL sweep             uid, to all workers: commit what is due
-- (and those of the part)
-- ARGV 1 tenant, 2 id, 3 by ('caller' or 'operator'), 4 reason (may be empty)
--
-- {'requested', uid, state} | {'final', uid, outcome} | {'unknown'}
local P = KEYS[1]
--- include queued
local tenant, id, by, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local uid = redis.call('GET', P .. 'id:' .. tenant .. ':' .. id)
if not uid then return { 'unknown' } end
local job_key = P .. 'job:' .. uid
local job = redis.call('HMGET', job_key, 'state', 'owner', 'outcome', 'cancelBy')
local state = job[1]
if not state then return { 'unknown' } end
if state == 'final' then return { 'final', uid, job[3] } end
if not job[4] then redis.call('HSET', job_key, 'cancelBy', by, 'cancelReason', reason) end
if state == 'waiting' then
  dequeue(tenant, uid)
  redis.call('ZADD', P .. 'due', 0, uid)
  redis.call('PUBLISH', P .. 'sweep', uid)
else
  redis.call('PUBLISH', P .. 'cancel:' .. job[2], uid)
end
return { 'requested', uid, state }
