#!lua
-- Whether there is room for a job, asked before its large content is written: what is refused must not fill Redis meanwhile.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY id:TENANT:ID   string: uid; one that was accepted before is answered by `accept`
-- (and those of the parts)
-- ARGV 1 tenant, 2 id, 3 bytes of the document and the content beside it
--
-- {'room'} | {'quota', name, limit, retryAfterMs}
local P = KEYS[1]
--- include clock
--- include limits
--- include queued
--- include memory
--- include release
--- include quota
local tenant, id, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3])
if redis.call('EXISTS', P .. 'id:' .. tenant .. ':' .. id) == 1 then return { 'room' } end
return find_quota(tenant, bytes) or { 'room' }
