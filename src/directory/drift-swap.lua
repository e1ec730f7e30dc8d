-- Lets a new report of differences take the place of the last one. Of whom something was put while it was compared, that stands: it is newer than what the
-- comparison may have read. Only the customers of strangers, which a put does not look for, are the comparison's. Of who was erased nothing is left.
-- KEYS[1] prefix. ARGV: when the comparison began, when the report was made, counts by kind and those of exempt people (JSON, a list of two), the new rows' key
-- without prefix, field, value, field ... for the head. Answers {'', none} when a newer report stands, else {counts by kind (JSON), people of whom something was put}.
local p, fresh, shown = KEYS[1], KEYS[1] .. ARGV[4], KEYS[1] .. 'driftRows'
local head = p .. 'drift'
if tonumber(redis.call('HGET', head, 'atMs') or '0') > tonumber(ARGV[2]) then
  redis.call('DEL', fresh)
  return { '', {} }
end
--#include drift-count
counts, exempts = unpack(cjson.decode(ARGV[3]))
local late = redis.call('ZRANGEBYSCORE', p .. 'driftPuts', ARGV[1], '+inf')
for _, id in ipairs(late) do
  local compared = cjson.decode(redis.call('HGET', fresh, id) or '[]')
  local put = cjson.decode(redis.call('HGET', shown, id) or '[]')
  local rows = {}
  local erased = redis.call('EXISTS', p .. 'user:' .. id) == 0
  if erased then redis.call('ZREM', p .. 'driftPuts', id) end
  for _, row in ipairs(put) do
    if not erased and row.kind ~= 'duplicate-customer' then rows[#rows + 1] = row end
  end
  for _, row in ipairs(compared) do
    if not erased and row.kind == 'duplicate-customer' then rows[#rows + 1] = row end
  end
  count(compared, -1)
  count(rows, 1)
  if #rows > 0 then redis.call('HSET', fresh, id, cjson.encode(rows)) else redis.call('HDEL', fresh, id) end
end
if redis.call('EXISTS', fresh) == 1 then redis.call('RENAME', fresh, shown) else redis.call('DEL', shown) end
redis.call('ZREMRANGEBYSCORE', p .. 'driftPuts', '-inf', '(' .. ARGV[1])
redis.call('HSET', head, 'atMs', ARGV[2], unpack(ARGV, 5))
-- Somebody may have asked for another look while this one was compared.
if redis.call('HGET', head, 'state') == 'running' then redis.call('HSET', head, 'state', 'done') end
return { saveCounts(), late }
