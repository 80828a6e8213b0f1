-- Audit records of one log. ARGV from `first`: log, count, then seq, prev, sha256, bytes of each record.
-- KEY audit:LOG        stream, record SEQ under the id SEQ-0: bytes, sha256, verdict
-- KEY audit-head:LOG   hash: seq and sha256 of the last record
-- KEY audit-logs       set: names of all logs
local NO_HASH = string.rep('0', 64)

local function read_records(first)
  local records = { log = ARGV[first] }
  for n = 1, tonumber(ARGV[first + 1]) do
    local at = first + 2 + (n - 1) * 4
    records[n] = { seq = tonumber(ARGV[at]), prev = ARGV[at + 1], sha256 = ARGV[at + 2], bytes = ARGV[at + 3] }
  end
  return records
end

local function is_stored(log, record)
  local id = string.format('%.0f-0', record.seq)
  local found = redis.call('XRANGE', P .. 'audit:' .. log, id, id)
  return found[1] ~= nil and found[1][2][4] == record.sha256
end

-- Nil when every record follows the head or is stored already, else the answer `gap`.
local function find_gap(records)
  if #records == 0 then return nil end
  local head = redis.call('HMGET', P .. 'audit-head:' .. records.log, 'seq', 'sha256')
  local head_seq, head_hash = tonumber(head[1] or '0'), head[2] or NO_HASH
  local seq, hash = head_seq, head_hash
  for _, record in ipairs(records) do
    if record.seq == seq + 1 and record.prev == hash then
      seq, hash, record.fresh = record.seq, record.sha256, true
    elseif not is_stored(records.log, record) then
      return { 'gap', head_seq, head_hash }
    end
  end
  return nil
end

-- Stores what is new with the script's verdict beside it. Returns the seq of the last record, 0 if there is none.
local function store_records(records, verdict)
  local last = 0
  for _, record in ipairs(records) do
    last = record.seq
    if record.fresh then
      local id = string.format('%.0f-0', record.seq)
      redis.call('XADD', P .. 'audit:' .. records.log, id,
        'bytes', record.bytes, 'sha256', record.sha256, 'verdict', verdict)
      redis.call('HSET', P .. 'audit-head:' .. records.log, 'seq', record.seq, 'sha256', record.sha256)
      redis.call('SADD', P .. 'audit-logs', records.log)
    end
  end
  return last
end
