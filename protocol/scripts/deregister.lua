#!lua flags=allow-oom
-- A worker takes its offer back, unless its instance name already belongs to a later start.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY worker:INSTANCE   hash: its offer
-- KEY workers           zset: live instances
-- KEY slots             hash: their slots
-- ARGV 1 instance, 2 bootId
--
-- {'deregistered'} | {'other'}
local P = KEYS[1]
local instance, boot_id = ARGV[1], ARGV[2]
local holder = redis.call('HGET', P .. 'worker:' .. instance, 'bootId')
if holder and holder ~= boot_id then return { 'other' } end
redis.call('DEL', P .. 'worker:' .. instance)
redis.call('ZREM', P .. 'workers', instance)
redis.call('HDEL', P .. 'slots', instance)
return { 'deregistered' }
