#!lua flags=allow-oom
-- Appends records that belong to no job (boot, close) to a worker's audit log.
--
-- KEYS[1] the queue's prefix; keys below it are those of the parts
-- ARGV 1 log, 2 number of records, then the records
--
-- {'ok', stored} | {'again', stored} when all of them were stored before | {'gap', seq, sha256}
-- stored: the verdict that the records have beside them
local P = KEYS[1]
--- include audit
local records = read_records(1)
local gap = find_gap(records)
if gap then return gap end
store_records(records, 'ok')
for _, record in ipairs(records) do
  if record.fresh then return with_verdict({ 'ok' }, records) end
end
return with_verdict({ 'again' }, records)
