-- Appends one audit entry in the script that makes the change it tells of. `seq` has no gaps; the stream id never steps back with the clock.
-- Whom it is about it says by a word that only the record knows: with the record gone, nobody can tell whose entries these were (docs/adr/0016).
local function appendAudit(p, id, json, now, generation)
  local last = redis.call('HMGET', p .. 'auditClock', 'at', 'seq')
  local at = math.max(now, tonumber(last[1] or '0'))
  local seq = tonumber(last[2] or '0') + 1
  redis.call('HSET', p .. 'auditClock', 'at', at, 'seq', seq)
  local entry = string.format('%.0f-%.0f', at, seq)
  local subject = id ~= '' and redis.call('HGET', p .. 'user:' .. id, 'subject') or ''
  redis.call('XADD', p .. 'audit', entry, 'subject', subject, 'seq', seq, 'at', now, 'generation', generation, 'entry', json)
  if id == '' then return end
  redis.call('RPUSH', p .. 'story:' .. id, entry)
  redis.call('LTRIM', p .. 'story:' .. id, -500, -1)
end
