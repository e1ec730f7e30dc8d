-- Forgets sealed entries of the audit trail that are older than a stream id, and keeps the point from which the rest is checked.
-- KEYS[1] prefix. ARGV: stream id of the first that may stay, most entries at once. Answers how many went.
local p = KEYS[1]
local sealed = redis.call('HGET', p .. 'auditSeal', 'seq')
if not sealed then return 0 end
local rows = redis.call('XRANGE', p .. 'audit', '-', '(' .. ARGV[1], 'COUNT', ARGV[2])
local gone, last = 0, nil
for _, row in ipairs(rows) do
  local seq = row[2][4]
  if row[2][3] ~= 'seq' or tonumber(seq) > tonumber(sealed) then break end
  local hash = redis.call('HGET', p .. 'auditChain', seq)
  if hash then redis.call('HSET', p .. 'auditSeal', 'baseSeq', seq, 'baseHash', hash) end
  redis.call('HDEL', p .. 'auditChain', seq)
  redis.call('XDEL', p .. 'audit', row[1])
  gone = gone + 1
end
return gone
