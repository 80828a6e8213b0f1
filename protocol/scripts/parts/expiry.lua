-- Results go when their time is over. Redis alone leaves up to one in ten keys with a time to live for longer, whichever they are: of many
-- small tombstones and some large results, all the results.
-- KEY expiring   zset: names of results and their large content, by when they end (ms)

-- Called after the key has got its time to live.
local function will_expire(name, ttl_ms)
  redis.call('ZADD', P .. 'expiring', 'GT', now_ms + ttl_ms, name)
end

local function expire_due(limit)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', now_ms, 'LIMIT', 0, limit)) do
    local named_key = P .. name
    local ttl_ms = redis.call('PTTL', named_key)
    if ttl_ms > 0 then
      redis.call('ZADD', P .. 'expiring', now_ms + ttl_ms, name)
    else
      redis.call('UNLINK', named_key)
      redis.call('ZREM', P .. 'expiring', name)
    end
  end
end
