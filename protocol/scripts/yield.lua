#!lua flags=allow-oom
-- An execution has ended without a result, and its job goes back to the queue: it was not what took its worker away.
--
-- KEYS[1] the queue's prefix; the key below it, in the same slot:
-- KEY job:UID   hash: endedEpoch, the latest execution of which the end was told; ended, how many there were
-- ARGV 1 uid, 2 epoch
--
-- {'yielded'} | {'fenced', epoch} when it is not the current execution | {'gone'} when the job has ended or is unknown
local P = KEYS[1]
local job_key, epoch = P .. 'job:' .. ARGV[1], ARGV[2]
local job = redis.call('HMGET', job_key, 'state', 'epoch', 'endedEpoch')
if job[1] ~= 'running' then return { 'gone' } end
if job[2] ~= epoch then return { 'fenced', tonumber(job[2]) } end
if job[3] ~= epoch then
  redis.call('HINCRBY', job_key, 'ended', 1)
  redis.call('HSET', job_key, 'endedEpoch', epoch)
end
return { 'yielded' }
