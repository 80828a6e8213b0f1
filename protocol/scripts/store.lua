#!lua flags=allow-oom
-- Writes a chunk of a result's large content: in a full Redis too, as the commit that follows it.
--
-- KEYS[1] the queue's prefix; keys below it, all in the same slot:
-- KEY blob:TENANT:SHA256:N   the chunk
-- (and those of the parts)
-- ARGV 1 tenant, 2 sha256 of the whole content, 3 which chunk, 4 its bytes, 5 least time to live in ms
--
-- {'stored'}
local P = KEYS[1]
--- include clock
--- include expiry
local blob_key = P .. 'blob:' .. ARGV[1] .. ':' .. ARGV[2] .. ':' .. ARGV[3]
redis.call('SET', blob_key, ARGV[4], 'KEEPTTL')
redis.call('PEXPIRE', blob_key, ARGV[5], 'NX')
redis.call('PEXPIRE', blob_key, ARGV[5], 'GT')
will_expire(blob_key:sub(#P + 1), tonumber(ARGV[5]))
return { 'stored' }
