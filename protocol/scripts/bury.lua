#!lua flags=allow-oom
-- Takes a dead letter away: its document goes, its tombstone and its result stay as long as they would.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY dead      zset: dead letters
-- KEY job:UID   hash: the tombstone, and the job that retries it, which gets retryOf
-- (and those of the parts)
-- ARGV 1 uid, 2 why: 'purged', or 'retried' once the retry was accepted
--
-- {'buried'} | {'none'} when it is no dead letter (any more)
local P = KEYS[1]
--- include dead
local letter, why = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', P .. 'dead', letter) then return { 'none' } end
if why == 'retried' then
  local job = redis.call('HMGET', P .. 'job:' .. letter, 'id', 'retryUid')
  local retry_key = P .. 'job:' .. (job[2] or '')
  if redis.call('EXISTS', retry_key) == 1 then redis.call('HSET', retry_key, 'retryOf', job[1]) end
end
bury(letter, why)
return { 'buried' }
