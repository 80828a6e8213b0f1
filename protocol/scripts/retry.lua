#!lua flags=allow-oom
-- Gives the job that is to be the retry of a dead letter its names, once: asked again, the same ones.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY dead           zset: dead letters
-- KEY job:UID        hash: the letter's tombstone; retryUid and retryId are the names of its retry
-- KEY id:TENANT:ID   string: uid; tells which names are taken
-- ARGV 1 uid of the letter, 2 a new uid, 3 what the new id begins with, 4 the first number to try
--
-- {'named', uid, id} | {'gone', why, retryId} when it is no dead letter (any more); why: unknown, alive, never, dropped, purged, retried
-- | {'taken'} when a hundred numbers are
local P = KEYS[1]
local letter, new_uid, stem, first = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local NUMBERS = 100
local job_key = P .. 'job:' .. letter

local function why_gone(state, gone)
  if not state then return 'unknown' end
  if state ~= 'final' then return 'alive' end
  return gone or 'never'
end

local job = redis.call('HMGET', job_key, 'state', 'tenant', 'letterGone', 'retryUid', 'retryId')
local tenant, retry_uid, retry_id = job[2], job[4], job[5]
if not redis.call('ZSCORE', P .. 'dead', letter) or not job[1] then
  return { 'gone', why_gone(job[1], job[3]), retry_id or '' }
end
if retry_id then
  local holder = redis.call('GET', P .. 'id:' .. tenant .. ':' .. retry_id)
  if not holder or holder == retry_uid then return { 'named', retry_uid, retry_id } end
end
for number = first, first + NUMBERS - 1 do
  local id = stem .. string.format('%d', number)
  if redis.call('EXISTS', P .. 'id:' .. tenant .. ':' .. id) == 0 then
    redis.call('HSET', job_key, 'retryUid', new_uid, 'retryId', id)
    return { 'named', new_uid, id }
  end
end
return { 'taken' }
