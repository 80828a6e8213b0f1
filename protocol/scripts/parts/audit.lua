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

-- Whether the very record is there already; if so, the verdict of that time counts.
local function is_stored(log, record)
  local id = string.format('%.0f-0', record.seq)
  local found = redis.call('XRANGE', P .. 'audit:' .. log, id, id)
  if found[1] == nil or found[1][2][4] ~= record.sha256 then return false end
  record.verdict = found[1][2][6]
  return true
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
      record.verdict = verdict
      local id = string.format('%.0f-0', record.seq)
      redis.call('XADD', P .. 'audit:' .. records.log, id,
        'bytes', record.bytes, 'sha256', record.sha256, 'verdict', verdict)
      redis.call('HSET', P .. 'audit-head:' .. records.log, 'seq', record.seq, 'sha256', record.sha256)
      redis.call('SADD', P .. 'audit-logs', records.log)
    end
  end
  return last
end

-- A script's answer with, as its last element, the verdict that its records have beside them ('' without records).
local function with_verdict(answer, records)
  local last = records[#records]
  answer[#answer + 1] = last and last.verdict or ''
  return answer
end
