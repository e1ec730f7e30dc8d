-- Appends one audit entry in the script that makes the change it tells of. `seq` has no gaps; the stream id never steps back with the clock.
local function appendAudit(p, id, json, now, generation)
  local last = redis.call('HMGET', p .. 'auditClock', 'at', 'seq')
  local at = math.max(now, tonumber(last[1] or '0'))
  local seq = tonumber(last[2] or '0') + 1
  redis.call('HSET', p .. 'auditClock', 'at', at, 'seq', seq)
  local entry = string.format('%.0f-%.0f', at, seq)
  redis.call('XADD', p .. 'audit', entry, 'user', id, 'seq', seq, 'at', now, 'generation', generation, 'entry', json)
  redis.call('RPUSH', p .. 'story:' .. id, entry)
  redis.call('LTRIM', p .. 'story:' .. id, -500, -1)
end
