-- Makes a token known, unless as many are live as a site may have. What has been over for 90 days is forgotten here. KEYS[1] prefix.
-- ARGV: id, SHA-256 of the token, lifetime in ms, by whom, note, audit JSON (flat), how many may be live, how long dead ones are kept in ms.
-- Answers {'ok', created ms, expires ms} or {'full', id, id, ...}.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'tokens'
--#include now
local live, over = {}, {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local known = cjson.decode(all[i + 1])
  local ended = math.min(known.revokedMs or known.expiresMs, known.expiresMs)
  if ended > now then live[#live + 1] = all[i]
  elseif ended < now - tonumber(ARGV[8]) then over[#over + 1] = all[i] end
end
if #live >= tonumber(ARGV[7]) then return { 'full', unpack(live) } end
for _, old in ipairs(over) do
  redis.call('HDEL', key, old)
  redis.call('HDEL', p .. 'tokenUses', old)
end
local expires = now + tonumber(ARGV[3])
local made = { digest = ARGV[2], createdMs = now, expiresMs = expires, by = ARGV[4], note = ARGV[5] }
redis.call('HSET', key, id, cjson.encode(made))
--#include audit
appendAudit(p, '', ARGV[6], now, 0)
return { 'ok', string.format('%.0f', now), string.format('%.0f', expires) }
