-- Ends a token, for ever. KEYS[1] prefix. ARGV: id, by whom, audit JSON. Answers 'ok', 'already' or 'missing'.
local p, id = KEYS[1], ARGV[1]
local key = p .. 'tokens'
--#include now
local text = redis.call('HGET', key, id)
if not text then return 'missing' end
local known = cjson.decode(text)
if known.revokedMs then return 'already' end
known.revokedMs = now
known.revokedBy = ARGV[2]
redis.call('HSET', key, id, cjson.encode(known))
--#include audit
appendAudit(p, '', ARGV[3], now, 0)
return 'ok'
