-- Ends an approved link after Maxio has answered. KEYS[1] prefix. ARGV: customer id, the link as it was sent (its JSON), state ('applied'|'failed'), detail.
-- A failed link gives its reference back; after one that is done the person with that reference, if there is one, may go on.
-- Answers 1, or 0 when the link is not the one that was sent.
local p, id = KEYS[1], ARGV[1]
if redis.call('HGET', p .. 'links', id) ~= ARGV[2] then return 0 end
--#include now
--#include audit
local link = cjson.decode(ARGV[2])
link.state = ARGV[3]
link.detail = ARGV[4] ~= '' and ARGV[4] or nil
link.endedAtMs = now
redis.call('HSET', p .. 'links', id, cjson.encode(link))
redis.call('ZREM', p .. 'linkQueue', id)
if link.state == 'failed' then
  redis.call('ZADD', p .. 'linkFailures', now, id)
  if redis.call('HGET', p .. 'linkReferences', link.reference) == id then redis.call('HDEL', p .. 'linkReferences', link.reference) end
end
local person = redis.call('HGET', p .. 'references', link.reference) or ''
if link.state == 'applied' and person ~= '' then redis.call('ZADD', p .. 'linkWaiters', now, person) end
local entry = { kind = 'maxio', what = 'link', customer = id, result = link.state == 'applied' and 'done' or 'refused', actor = link.by }
appendAudit(p, person, cjson.encode(entry), now, 0)
return 1
