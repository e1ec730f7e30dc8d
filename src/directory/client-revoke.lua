-- Ends a client with all it signs in with, or one credential, for ever. KEYS[1] prefix. ARGV: field, by whom, audit JSON. Answers 'ok', 'already' or 'missing'.
local p, field = KEYS[1], ARGV[1]
local key = p .. 'clients'
--#include now
local text = redis.call('HGET', key, field)
if not text then return 'missing' end
if cjson.decode(text).revokedMs then return 'already' end
local ending = { field }
if not string.find(field, '.', 1, true) then
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, #field + 1) == field .. '.' then ending[#ending + 1] = name end
  end
end
for _, name in ipairs(ending) do
  local known = cjson.decode(redis.call('HGET', key, name))
  if not known.revokedMs then
    known.revokedMs, known.revokedBy = now, ARGV[2]
    redis.call('HSET', key, name, cjson.encode(known))
  end
end
--#include audit
appendAudit(p, '', ARGV[3], now, 0)
return 'ok'
